"""Servers that people run, as processes on the loopback interface: moto's S3, Debian's docker-registry, nginx.

Each is skipped with a reason where it is not installed. What a test puts into them is written here too, by boto3
and by the registry's own HTTP interface; nothing of envmgr is used.

>>> with docker_registry(folder) as url:
...     push_channel(url, "mirrors/mine", make_channel(folder / "channel", [pkg("a")]))
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

START_SECONDS = 30.0
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
REPODATA_TYPE = "application/vnd.conda.repodata.v1+json"
PACKAGE_TYPES = {".conda": "application/vnd.conda.package.v2", ".bz2": "application/vnd.conda.package.v1"}


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(make_command: Callable[[int], list[str]], folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    """Runs a server and gives its URL; it is started again when another process took its port first."""
    log = folder / "server.log"
    for _ in range(3):
        port = free_port()
        with open(log, "wb") as out:
            process = subprocess.Popen(
                make_command(port),
                cwd=folder,
                env={**os.environ, **env},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            if _answers(process, port):
                yield f"http://127.0.0.1:{port}"
                return
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process.poll() is None
        time.sleep(0.05)
    return False


def need_program(name: str, package: str) -> str:
    """The path of a program; skips the test where it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (apt-get install {package})")
    return found


# S3


@contextlib.contextmanager
def moto_server(folder: Path) -> Iterator[str]:
    """An S3 in memory that knows every key, until `demand_signatures` is called."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        pytest.skip("moto's server is not installed (pip install 'moto[server]')")
    folder.mkdir(parents=True, exist_ok=True)
    env = {"HOME": str(folder), "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}

    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]

    with running(command, folder, env) as url:
        yield url


def aws_client(service: str, url: str) -> Any:
    """boto3's client for moto; its keys are good as long as none are demanded."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def demand_signatures(url: str, *, after: int = 0) -> None:
    """From now on, only requests that are signed by known keys and allowed to their user are answered."""
    requests.post(f"{url}/moto-api/reset-auth", data=str(after), timeout=10).raise_for_status()


def upload_folder(url: str, bucket: str, prefix: str, folder: Path) -> None:
    """Puts every file below *folder* into the bucket, which is made."""
    client = aws_client("s3", url)
    client.create_bucket(Bucket=bucket)
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


# OCI


@contextlib.contextmanager
def docker_registry(folder: Path, *, auth: Mapping[str, Any] | None = None) -> Iterator[str]:
    """A registry that keeps its blobs below *folder*; *auth* is that section of its configuration."""
    program = need_program("docker-registry", "docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"  # JSON is YAML.

    def command(port: int) -> list[str]:
        settings = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
            "http": {"addr": f"127.0.0.1:{port}", "secret": "for this test"},
            **({"auth": dict(auth)} if auth else {}),
        }
        config.write_text(json.dumps(settings))
        return [program, "serve", str(config)]

    with running(command, folder, {"HOME": str(folder)}) as url:
        yield url


def push_artifact(
    registry: str,
    repository: str,
    tag: str,
    layers: Mapping[str, bytes],
    headers: Mapping[str, str] | None = None,
) -> list[str]:
    """Uploads one artifact, whose layers are given by media type, and gives the layers' digests."""
    with requests.Session() as session:
        session.headers.update(headers or {})
        described = [
            {"mediaType": kind, "size": len(data), "digest": _push_blob(session, registry, repository, data)}
            for kind, data in layers.items()
        ]
        empty = {
            "mediaType": "application/vnd.unknown.config.v1+json",
            "size": 2,
            "digest": _push_blob(session, registry, repository, b"{}"),
        }
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": empty, "layers": described}
        answer = session.put(
            f"{registry}/v2/{repository}/manifests/{tag}",
            data=json.dumps(manifest).encode(),
            headers={"Content-Type": MANIFEST_TYPE},
            timeout=10,
        )
        answer.raise_for_status()
    return [str(layer["digest"]) for layer in described]


def _push_blob(session: requests.Session, registry: str, repository: str, data: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    begun = session.post(f"{registry}/v2/{repository}/blobs/uploads/", timeout=10)
    begun.raise_for_status()
    done = session.put(begun.headers["Location"], params={"digest": digest}, data=data, timeout=10)
    done.raise_for_status()
    return digest


def push_channel(
    registry: str, namespace: str, channel: Path, *, forms: tuple[str, ...] = ("", "+gzip", "+zst")
) -> None:
    """Uploads a channel's folder in the layout of conda-oci-mirror; *forms* are those of its indexes."""
    import zstandard

    pack = {"": bytes, "+gzip": gzip.compress, "+zst": zstandard.ZstdCompressor().compress}
    for subdir in (path for path in channel.iterdir() if path.is_dir()):
        text = (subdir / "repodata.json").read_bytes()
        layers = {f"{REPODATA_TYPE}{form}": pack[form](text) for form in forms}
        push_artifact(registry, f"{namespace}/{subdir.name}/repodata.json", "latest", layers)
        for archive in (path for path in subdir.iterdir() if path.suffix in PACKAGE_TYPES):
            name, version, build = archive.name.removesuffix(".conda").removesuffix(".tar.bz2").rsplit("-", 2)
            name = name if name[0] != "_" else f"zzz{name}"
            tag = f"{version}-{build}".replace("+", "__p__").replace("!", "__e__").replace("=", "__eq__")
            layer = {PACKAGE_TYPES[archive.suffix]: archive.read_bytes(), "text/plain": b"another layer"}
            push_artifact(registry, f"{namespace}/{subdir.name}/{name}", tag, layer)


# nginx


@contextlib.contextmanager
def nginx(folder: Path, root: Path, *, gzipped: bool = False) -> Iterator[str]:
    """Serves *root*; *gzipped* compresses every answer on the way. What nginx writes goes below *folder*."""
    program = need_program("nginx", "nginx")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"  {kind}_temp_path {folder}/{kind};" for kind in kinds)

    def command(port: int) -> list[str]:
        config.write_text(
            f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
            "events {}\n"
            "http {\n"
            f"{places}\n"
            f"  access_log {folder}/access.log combined;\n"
            f"  gzip {'on' if gzipped else 'off'}; gzip_types *; gzip_min_length 0; gzip_http_version 1.0;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {root}; }}\n"
            "}\n"
        )
        return [program, "-e", str(folder / "error.log"), "-c", str(config), "-p", str(folder)]

    with running(command, folder, {}) as url:
        yield url
