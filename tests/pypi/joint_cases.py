"""Real requests in which pip after conda breaks, and what a plan of both together must say.

Each was told in a public thread. In each, conda's newest answer to the conda lines is tried first, and pip then
finds no solution, downgrades what conda installed, or leaves versions that do not fit each other. Both halves were
run: the conda lines over records of conda-forge (linux-64), the items with uv over PyPI as of `exclude_newer`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class JointCase:
    """One request; *thread* is where it broke, *why* what breaks.

    *holds* gives, by conda package or distribution, the versions (PEP 440) that the joint plan may have. Where
    *told* is set there is no plan, and the refusal must hold all of these: the line and the item that cannot be.
    """

    name: str
    thread: str
    why: str
    conda: tuple[str, ...]
    pip: tuple[str, ...]
    holds: dict[str, str] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    exclude_newer: str = "2026-06-01"


CASES = (
    JointCase(
        "numpy 2 and scipy under gensim",
        "piskvorky/gensim#3606",
        "gensim 4.3 imports what scipy 1.13 removed and was built for numpy 1.",
        ("python 3.12.*", "numpy", "scipy", "pandas"),
        ("gensim==4.3.3",),
        {"numpy": "<2", "scipy": "<1.14", "gensim": "==4.3.3"},
    ),
    JointCase(
        "numpy 2 under mediapipe",
        "google-ai-edge/mediapipe#6023",
        "mediapipe 0.10.21 was built for numpy 1.",
        ("python 3.12.*", "numpy", "matplotlib"),
        ("mediapipe==0.10.21",),
        {"numpy": "<2", "mediapipe": "==0.10.21"},
    ),
    JointCase(
        "numpy 2.2 under numba",
        "numba/numba#10033",
        "numba refuses to be imported beside a numpy that is newer than it knows.",
        ("python 3.12.*", "numpy", "pandas"),
        ("numba==0.61.0",),
        {"numpy": "<2.2", "numba": "==0.61.0"},
    ),
    JointCase(
        "numpy under opencv-python",
        "opencv/opencv-python#1122",
        "opencv-python 4.12 has pip take numpy down to 2.2.",
        ("python 3.12.*", "numpy"),
        ("opencv-python==4.12.0.88",),
        {"numpy": ">=2,<2.3", "opencv-python": "==4.12.0.88"},
    ),
    JointCase(
        "pandas, numpy and matplotlib under ydata-profiling",
        "Data-Centric-AI-Community/fg-data-profiling#1783",
        "ydata-profiling has upper bounds on all three.",
        ("python 3.12.*", "pandas", "matplotlib", "numpy"),
        ("ydata-profiling==4.17.0",),
        {"numpy": "<2.2", "pandas": "<3", "matplotlib-base": "<=3.10", "ydata-profiling": "==4.17.0"},
    ),
    JointCase(
        "pandas 2.2 under great-expectations",
        "fivetran/great_expectations#10621",
        "great-expectations 1.2 allows no pandas after 2.1, which needs numpy 1.",
        ("python 3.11.*", "pandas", "numpy"),
        ("great-expectations==1.2.3",),
        {"pandas": "<2.2", "numpy": "<2", "great-expectations": "==1.2.3"},
    ),
    JointCase(
        "protobuf under streamlit",
        "streamlit/streamlit#8733",
        "streamlit 1.34 allows no protobuf 5, and conda's grpcio is built for one protobuf.",
        ("python 3.12.*", "grpcio", "protobuf"),
        ("streamlit==1.34.0",),
        {"protobuf": "<5", "packaging": "<25", "streamlit": "==1.34.0"},
    ),
    JointCase(
        "protobuf and grpcio under tensorflow",
        "tensorflow/tensorflow#76957",
        "tensorflow 2.17 allows no protobuf 5.",
        ("python 3.12.*", "grpcio", "protobuf"),
        ("tensorflow==2.17.0",),
        {"protobuf": "<5", "tensorflow": "==2.17.0"},
    ),
    JointCase(
        "altair 6 and packaging 25 under streamlit",
        "streamlit/streamlit#12064",
        "streamlit 1.45 allows neither altair 6 nor packaging 25 nor pandas 3.",
        ("python 3.12.*", "altair", "pandas", "protobuf"),
        ("streamlit==1.45.1",),
        {"altair": "<6", "packaging": "<25", "pandas": "<3", "protobuf": "<7", "streamlit": "==1.45.1"},
    ),
    JointCase(
        "torch with mkl under fastai",
        "Ry3nG/SA-LUT#1",
        "fastai 2.7.18 allows no torch 2.6; pip would put its own torch over the one that is linked to mkl.",
        ("python 3.12.*", "pytorch =*=*mkl*", "mkl"),
        ("fastai==2.7.18",),
        {"pytorch": "<2.6", "fastai": "==2.7.18"},
    ),
    JointCase(
        "torch under torchvision",
        "airctic/icevision#1102",
        "torchvision fits one torch exactly, and pip downgrades conda's to it.",
        ("python 3.12.*", "pytorch", "numpy"),
        ("torchvision==0.20.1",),
        {"pytorch": "==2.5.1", "torchvision": "==0.20.1"},
    ),
    JointCase(
        "setuptools 82 under torch",
        "pytorch/pytorch#187188",
        "setuptools 82 has no pkg_resources any more, and torch 2.11 does not allow it.",
        ("python 3.12.*", "setuptools", "numpy"),
        ("torch==2.11.0",),
        {"setuptools": "<82", "torch": "==2.11.0"},
    ),
    JointCase(
        "pydantic 2 under spacy",
        "explosion/spaCy#12863",
        "spacy 3.5 needs pydantic 1 and a typer before 0.10.",
        ("python 3.11.*", "fastapi", "pydantic"),
        ("spacy==3.5.4",),
        {"pydantic": "<1.11", "spacy": "==3.5.4"},
    ),
    JointCase(
        "typing_extensions under tensorflow beside pydantic",
        "pydantic/pydantic#5901",
        "tensorflow 2.13 allows no typing_extensions 4.6, which pydantic 2.1 and later need.",
        ("python 3.11.*", "pydantic", "typing_extensions"),
        ("tensorflow==2.13.1",),
        {"typing_extensions": "<4.6", "tensorflow": "==2.13.1"},
    ),
    JointCase(
        "urllib3 2 under botocore",
        "boto/botocore#2963",
        "botocore 1.29 allows no urllib3 2.",
        ("python 3.11.*", "requests", "urllib3"),
        ("boto3==1.26.165",),
        {"urllib3": "<1.27", "boto3": "==1.26.165"},
    ),
    JointCase(
        "botocore of s3fs under boto3",
        "fsspec/s3fs#608",
        "aiobotocore, which s3fs needs, fits a few versions of botocore, and boto3 others; s3fs 0.4 needs none.",
        ("python 3.12.*", "s3fs"),
        ("boto3==1.40.61",),
        {"botocore": ">=1.40.61,<1.41", "s3fs": ">=2024", "boto3": "==1.40.61"},
    ),
    JointCase(
        "fsspec of s3fs under datasets",
        "huggingface/datasets#7190",
        "datasets 3.0 allows no fsspec after 2024.6.1, and s3fs needs the fsspec of its own date.",
        ("python 3.12.*", "s3fs", "pandas"),
        ("datasets==3.0.1",),
        {"fsspec": "<=2024.6.1", "s3fs": "<=2024.6.1", "datasets": "==3.0.1"},
    ),
    JointCase(
        "sqlalchemy 2 under snowflake-sqlalchemy",
        "pandas-dev/pandas#57049",
        "snowflake-sqlalchemy 1.5 needs sqlalchemy 1.4.",
        ("python 3.11.*", "pandas", "sqlalchemy"),
        ("snowflake-sqlalchemy==1.5.1",),
        {"sqlalchemy": "<2", "snowflake-sqlalchemy": "==1.5.1"},
    ),
    JointCase(
        "flask 3 under dash",
        "plotly/dash#2553",
        "dash 2.10 allows neither flask nor werkzeug from 2.3 on.",
        ("python 3.11.*", "flask"),
        ("dash==2.10.2",),
        {"flask": "<2.3", "werkzeug": "<2.3", "dash": "==2.10.2"},
    ),
    JointCase(
        "importlib-metadata 7 under opentelemetry",
        "open-telemetry/opentelemetry-python#3570",
        "opentelemetry-api 1.21 allows no importlib-metadata 7.",
        ("python 3.12.*", "importlib-metadata"),
        ("opentelemetry-api==1.21.0",),
        {"importlib-metadata": "<7", "opentelemetry-api": "==1.21.0"},
    ),
    JointCase(
        "pillow 12 under gradio",
        "gradio-app/gradio#12364",
        "gradio 5.49 allows neither pillow 12 nor pandas 3.",
        ("python 3.12.*", "pillow", "pandas"),
        ("gradio==5.49.1",),
        {"pillow": "<12", "pandas": "<3", "gradio": "==5.49.1"},
    ),
    JointCase(
        "pillow 11 under moviepy",
        "Zulko/moviepy#2398",
        "moviepy 2.1.2 allows no pillow 11.",
        ("python 3.12.*", "pillow"),
        ("moviepy==2.1.2",),
        {"pillow": "<11", "moviepy": "==2.1.2"},
    ),
    JointCase(
        "pyarrow 18 under mlflow",
        "mlflow/mlflow#13656",
        "mlflow 2.17 allows neither pyarrow 18 nor pandas 3.",
        ("python 3.12.*", "pandas", "pyarrow"),
        ("mlflow==2.17.2",),
        {"pyarrow": "<18", "pandas": "<3", "mlflow": "==2.17.2"},
    ),
    JointCase(
        "marshmallow 4 under dataclasses-json",
        "lidatong/dataclasses-json#565",
        "dataclasses-json allows no marshmallow 4.",
        ("python 3.12.*", "marshmallow"),
        ("dataclasses-json==0.6.7",),
        {"marshmallow": "<4", "dataclasses-json": "==0.6.7"},
    ),
    JointCase(
        "huggingface_hub 1 under transformers",
        "pytorch/executorch#15398",
        "transformers 4.56 allows no huggingface_hub 1.",
        ("python 3.12.*", "huggingface_hub"),
        ("transformers==4.56.1",),
        {"huggingface_hub": "<1", "transformers": "==4.56.1"},
    ),
    JointCase(
        "websockets 16 under google-genai",
        "googleapis/python-genai#2051",
        "google-genai 1.62 allows no websockets 16.",
        ("python 3.12.*", "websockets"),
        ("google-genai==1.62.0",),
        {"websockets": "<15.1", "google-genai": "==1.62.0"},
    ),
    JointCase(
        "docutils and sphinx under sphinx-rtd-theme",
        "readthedocs/sphinx_rtd_theme#1557",
        "sphinx-rtd-theme 2.0 allows neither docutils 0.21 nor sphinx 8.",
        ("python 3.12.*", "sphinx"),
        ("sphinx-rtd-theme==2.0.0",),
        {"docutils": "<0.21", "sphinx": "<8", "sphinx-rtd-theme": "==2.0.0"},
    ),
    JointCase(
        "an older python for ray",
        "ray-project/ray#44014",
        "ray 2.9 has wheels up to python 3.11 and no source distribution.",
        ("python", "pandas"),
        ("ray==2.9.3",),
        {"python": "==3.11.*", "ray": "==2.9.3"},
    ),
    JointCase(
        "an older python for tensorflow",
        "tensorflow/tensorflow#62049",
        "tensorflow 2.14 has wheels up to python 3.11 and no source distribution.",
        ("python", "numpy", "pandas"),
        ("tensorflow==2.14.0",),
        {"python": "==3.11.*", "tensorflow": "==2.14.0"},
    ),
    JointCase(
        "an older python and an older scipy for pandasai",
        "sinaptik-ai/pandas-ai#1837",
        "pandasai 3.0 needs a python before 3.12 and scipy 1.10.",
        ("python", "pandas", "scipy"),
        ("pandasai==3.0.0",),
        {"python": "==3.11.*", "scipy": "<1.11", "pandas": "<3", "numpy": "<2", "pandasai": "==3.0.0"},
    ),
    JointCase(
        "no plan: numpy 2 and gensim",
        "piskvorky/gensim#3534",
        "The conda line asks for numpy 2 and gensim 4.3 allows none.",
        ("python 3.12.*", "numpy >=2", "scipy"),
        ("gensim==4.3.3",),
        told=("numpy >=2", "gensim==4.3.3"),
    ),
    JointCase(
        "no plan: python 3.12 and ray",
        "ray-project/ray#40211",
        "The conda line asks for python 3.12 or newer and ray 2.9 has no wheel for one.",
        ("python >=3.12",),
        ("ray==2.9.3",),
        told=("python >=3.12", "ray==2.9.3"),
    ),
    JointCase(
        "no plan: pydantic 2 and spacy",
        "explosion/spaCy#12611",
        "The conda line asks for pydantic 2 and spacy 3.5 allows none.",
        ("python 3.11.*", "pydantic >=2"),
        ("spacy==3.5.4",),
        told=("pydantic >=2", "spacy==3.5.4"),
    ),
)
