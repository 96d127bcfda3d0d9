"""The table of conda packages whose Python distribution has another name, or that have none (pure).

Written by hand in November 2026 for this project: the conda names are those of conda-forge, pytorch and bioconda as
recorded in lock files of 2023 to 2026, and each PyPI name was looked up in PyPI's own list of that month. A conda
name with nothing behind it has a Python dependency but no distribution of its own, or one that is not on PyPI.
"""

from __future__ import annotations

from functools import cache
from typing import Final

_NAMED: Final = """
airflow: apache-airflow
antlr-python-runtime: antlr4-python3-runtime
asf_search-base: asf-search
astropy-base: astropy
brotli-python: brotli
bullet-cpp: pybullet
coal-python: coal
cupy-core: cupy
cython-blis: blis
dask-core: dask
docker-py: docker
faiss: faiss faiss-cpu
fastapi-core: fastapi
geojsonio.py: geojsonio
geopandas-base: geopandas
geoviews-core: geoviews
google-cloud-bigquery-core: google-cloud-bigquery
google-cloud-bigquery-storage-core: google-cloud-bigquery-storage
h2o-py: h2o
h3-py: h3
hjson-py: hjson
ibis-framework-core: ibis-framework
iris-esmf-regrid: esmf-regrid
jupyterhub-base: jupyterhub
lsstdesc-ceci: ceci
matplotlib-base: matplotlib
meshcat-python: meshcat
mne-base: mne
mpl-probscale: probscale
msgpack-python: msgpack
mujoco-python: mujoco
namaster: pymaster
napari-base: napari
nbconvert-core: nbconvert
neo4j-python-driver: neo4j
ocp: cadquery-ocp
oras-py: oras
ortools-python: ortools
pandera-base: pandera
pandera-core: pandera
panel-core: panel
pinocchio-python: pin
psycopg2: psycopg2 psycopg2-binary
pvlib-python: pvlib
py-lief: lief
py-opencv: opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless
py-triangle: triangle
py-xgboost: xgboost
pyarrow-core: pyarrow
pyct-core: pyct
pyg: torch-geometric
pyjuliacall: juliacall
pyjuliapkg: juliapkg
pymc-base: pymc
pyqt: pyqt5
pyside2: pyside2 shiboken2
pyside6: pyside6 pyside6-essentials pyside6-addons shiboken6
pytables: tables
pytensor-base: pytensor
python-annoy: annoy
python-avro: avro
python-blosc2: blosc2
python-blosc: blosc
python-build: build
python-cdo: cdo
python-chromedriver-binary: chromedriver-binary
python-confluent-kafka: confluent-kafka
python-drmaa: drmaa
python-duckdb: duckdb
python-eccodes: eccodes
python-edlib: edlib
python-fastjsonschema: fastjsonschema
python-flatbuffers: flatbuffers
python-gmsh: gmsh
python-graphviz: graphviz
python-htcondor: htcondor
python-igraph: igraph python-igraph
python-installer: installer
python-isal: isal
python-kaleido: kaleido
python-kubernetes: kubernetes
python-lal: lalsuite
python-leveldb: leveldb
python-libarchive-c: libarchive-c
python-librt: librt
python-lmdb: lmdb
python-lsp-server-base: python-lsp-server
python-neo: neo
python-pdal: pdal
python-pdfkit: pdfkit
python-primesieve: primesieve
python-stratify: stratify
python-symengine: symengine
python-tzdata: tzdata
python-xxhash: xxhash
python-zlib-ng: zlib-ng
pytorch-cluster: torch-cluster
pytorch-scatter: torch-scatter
pytorch-sparse: torch-sparse
pytorch-spline-conv: torch-spline-conv
pytorch: torch
pytorch_cluster: torch-cluster
pytorch_geometric: torch-geometric
pytorch_scatter: torch-scatter
pytorch_sparse: torch-sparse
qdldl-python: qdldl
qscintilla2: qscintilla
qtconsole-base: qtconsole
ray-core: ray
ray-default: ray
redis-py: redis
sentencepiece-python: sentencepiece
snakemake-minimal: snakemake
sourmash-minimal: sourmash
sqlalchemy-utils-base: sqlalchemy-utils
tensorflow-base: tensorflow
tiledb-py: tiledb
torchtriton: triton
uproot-base: uproot
vtk-base: vtk
xeus-python-shell-raw: xeus-python-shell
"""

_NAMELESS: Final = """
_ipython_minor_entry_point altair-all ambertools apache-beam-with-gcp arrow-cpp artview backports
black-jupyter cachecontrol-with-filecache conda conda-build cpython dartsim-cpp ecmwf_grib esmpy
g-ir-build-tools gdb gobject-introspection google-api-core-grpc google-cloud-sdk
googleapis-common-protos-grpc gql-with-requests ibis-duckdb jsonschema-with-format-nongpl
jupyterhub-singleuser libboost-python libboost-python-devel libmambapy libtorch lldb mamba mlflow-ui
nbconvert-pandoc opencv openff-interchange-base openff-nagl-base openff-toolkit-base optype-numpy
pixi-pycharm polars-default postgresql py-xgboost-cpu py-xgboost-gpu pyqt-impl python-abi3 python.app
python_abi pytorch-cpu pywin32-on-windows qgis ray-default ray-tune sqlalchemy-utils-arrow
sqlalchemy-utils-babel sqlalchemy-utils-color sqlalchemy-utils-encrypted sqlalchemy-utils-intervals
sqlalchemy-utils-password sqlalchemy-utils-pendulum sqlalchemy-utils-phone sqlalchemy-utils-timezone
sqlalchemy-utils-url tables-io-full torchaudio-cpu torchvision-cpu xgboost
"""


@cache
def known_names() -> dict[str, tuple[str, ...]]:
    """Conda name to the normalized names of its distributions; an empty tuple where it has none."""
    pairs = (line.partition(": ") for line in _NAMED.strip().splitlines())
    named = {conda: tuple(names.split()) for conda, _, names in pairs}
    return {**dict.fromkeys(_NAMELESS.split(), ()), **named}


@cache
def conda_names_of() -> dict[str, tuple[str, ...]]:
    """The table the other way round: from a distribution to the conda packages that provide it."""
    found: dict[str, list[str]] = {}
    for conda, names in known_names().items():
        for name in names:
            found.setdefault(name, []).append(conda)
    return {name: tuple(condas) for name, condas in found.items()}
