"""The requests that solves are measured with: what people ask for, over the real records of the corpus.

A request on top of an installed environment names the lines that the environment was made with (`installed`),
and the day on which that was done (`installed_before`): only records that are known to be older stood to
choose from. Its own lines come first; the environment's lines still hold behind them, as conda and pixi keep
them.
"""

from __future__ import annotations

from msgspec import Struct

FORGE = ("conda-forge",)
BIO = ("bioconda", "conda-forge")
ROS = ("robostack-jazzy", "conda-forge")
TORCH = ("pytorch", "nvidia", "conda-forge")
NVIDIA = ("nvidia", "conda-forge")

MACHINE = {"__glibc": "2.39", "__linux": "6.1", "__unix": "0", "__archspec": "1=x86_64_v3"}
"""The virtual packages of every request: name to version, or to version=build."""


class Request(Struct, frozen=True):
    """One row of the table.

    ``channels`` are names of the corpus, best first. ``cuda`` is the version of ``__cuda``; without it the machine
    has no such card. ``installed`` are the lines of an environment that is there already, ``installed_before`` the
    day (YYYY-MM-DD, UTC) on which it was made.
    """

    title: str
    area: str
    specs: tuple[str, ...]
    channels: tuple[str, ...] = FORGE
    cuda: str | None = None
    installed: tuple[str, ...] = ()
    installed_before: str | None = None

    @property
    def virtual(self) -> dict[str, str]:
        """The virtual packages of the machine that asks."""
        return {**MACHINE, "__cuda": self.cuda} if self.cuda else MACHINE

    @property
    def lines(self) -> tuple[str, ...]:
        """All that must hold: what is asked for, then what the environment was made with."""
        names = {spec.split()[0] for spec in self.specs}
        return (*self.specs, *(spec for spec in self.installed if spec.split()[0] not in names))


def _area(area: str, channels: tuple[str, ...], rows: dict[str, str]) -> list[Request]:
    """Requests of one area on a machine without a graphics card; specs are separated by semicolons."""
    return [Request(title, area, _specs(text), channels) for title, text in rows.items()]


def _specs(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";"))


def _cuda(version: str, channels: tuple[str, ...], rows: dict[str, str]) -> list[Request]:
    return [Request(title, "ML, CUDA on", _specs(text), channels, version) for title, text in rows.items()]


def _on_top(title: str, text: str, base: str, before: str, channels: tuple[str, ...] = FORGE) -> Request:
    return Request(title, "on top", _specs(text), channels, installed=_specs(base), installed_before=before)


SMALL = {
    "zlib": "zlib",
    "ca-certificates and openssl": "ca-certificates; openssl",
    "jq": "jq",
    "ripgrep": "ripgrep",
    "uv": "uv",
    "noarch tzdata": "tzdata",
    "ruff and git": "ruff; git",
}
DATA_SCIENCE = {
    "numpy, pandas, scikit-learn on 3.12": "python 3.12.*; numpy; pandas; scikit-learn",
    "newest data science": "python; numpy; pandas; scipy; matplotlib; scikit-learn; statsmodels; seaborn",
    "numpy 1 and pandas 2": "python 3.11.*; numpy <2; pandas 2.*; scipy",
    "old pandas": "pandas 1.5.*; numpy; matplotlib-base",
    "jupyterlab": "jupyterlab",
    "notebook with widgets": "python 3.11.*; notebook; ipywidgets; matplotlib; pandas",
    "xarray stack": "xarray; dask; zarr; netcdf4; bottleneck",
    "columns": "polars; pyarrow; duckdb; fastparquet; python >=3.11",
    "boosting": "xgboost; lightgbm; catboost; optuna; scikit-learn",
    "Bayes": "pymc; arviz; python 3.12.*",
    "plots": "bokeh; plotly; holoviews; hvplot; panel; datashader; altair",
    "images": "scikit-image; napari; pyqt; opencv; imageio",
    "big notebook environment": (
        "python 3.11.*; jupyterlab; numpy; pandas; scipy; matplotlib; scikit-learn; dask; distributed; xarray; "
        "bokeh; plotly; sqlalchemy; pyarrow; h5py; pytables; numba; cython; sympy; networkx; nltk; "
        "spacy; black; pytest"
    ),
    "tables and statistics": "python 3.12.*; pandas; statsmodels; openpyxl; sqlalchemy; requests",
    "spark": "pyspark; openjdk; pandas; pyarrow",
}
R = {
    "r-base alone": "r-base",
    "tidyverse": "r-base; r-tidyverse",
    "R 4.3 with shiny and markdown": "r-base 4.3.*; r-shiny; r-rmarkdown; r-ggplot2",
    "R essentials": "r-essentials; r-base",
    "R spatial": "r-sf; r-sp; r-units; r-ggplot2",
    "R models": "r-lme4; r-caret; r-forecast",
    "R and Python": "r-base; r-reticulate; r-irkernel; python; jupyterlab",
    "R development": "r-devtools; r-testthat; r-roxygen2; r-lintr; r-styler",
}
GEO = {
    "geopandas, gdal, rasterio, cartopy": "geopandas; gdal; rasterio; cartopy",
    "gdal on Python 3.10": "gdal; python 3.10.*",
    "qgis": "qgis",
    "raster services": "rasterio; xarray; rioxarray; stackstac; pystac-client; odc-stac; dask",
    "ocean models": "iris; cartopy; esmpy; xesmf; netcdf4; nco; cdo",
    "point clouds": "pdal; python-pdal; gdal",
    "maps": "folium; geopandas; h3-py; contextily; mapclassify",
    "weather": "cfgrib; eccodes; xarray; cartopy; pygmt",
}
BIO_ROWS = {
    "samtools and bcftools": "samtools; bcftools",
    "short reads": "fastp; bowtie2; samtools; bedtools; multiqc",
    "snakemake": "snakemake-minimal; python 3.12.*",
    "nextflow": "nextflow",
    "long reads": "minimap2; flye; samtools; chopper; seqkit",
    "DESeq2": "bioconductor-deseq2; r-base",
    "DESeq2 and figures": "bioconductor-deseq2; r-tidyverse; r-pheatmap; r-ggrepel",
    "genomes in Python": "pysam; pybedtools; pandas; numpy",
    "annotation": "blast; hmmer; diamond; mmseqs2",
}
SINGLE_CELL = {"single cells": "scanpy; anndata; leidenalg; python-igraph; umap-learn"}
ML_OFF = {
    "pytorch on the processor": "pytorch-cpu; torchvision",
    "tensorflow on the processor": "tensorflow-cpu; python 3.11.*",
    "jax": "jax; jaxlib",
    "transformers": "transformers; datasets; tokenizers; accelerate; pytorch",
    "spacy and nltk": "spacy; nltk; python 3.11.*",
    "onnx": "onnx; onnxruntime; numpy",
    "ray": "ray-default; ray-core; python 3.12.*",
    "mlflow and wandb": "mlflow; wandb; scikit-learn",
}
ML_ON = {
    "pytorch-gpu": "pytorch-gpu; torchvision; python 3.12.*",
    "pytorch for CUDA 12.6": "pytorch; cuda-version 12.6.*; numpy",
    "jax on a card": "jax; jaxlib * *cuda*; cuda-nvcc",
    "cupy": "cupy; cuda-version >=12; numba",
    "tensorflow-gpu": "tensorflow-gpu",
    "lightning": "pytorch-gpu; pytorch-lightning; torchmetrics; transformers; sentence-transformers; timm",
    "gromacs": "gromacs",
    "llm tools": "pytorch-gpu; triton; transformers; accelerate; langchain; openai",
}
TORCH_ON = {
    "pytorch channel, CUDA 12.1": "pytorch; torchvision; torchaudio; pytorch-cuda 12.1.*",
    "pytorch channel, CUDA 11.8, 3.10": "python 3.10.*; pytorch; pytorch-cuda 11.8.*",
    "faiss": "faiss-gpu; numpy",
}
TORCH_OFF = {"pytorch channel, processor": "pytorch; cpuonly; torchvision"}
ROS_ROWS = {
    "ros-core": "ros-jazzy-ros-core",
    "ros-base with colcon": "ros-jazzy-ros-base; colcon-common-extensions",
    "ros desktop": "ros-jazzy-desktop; colcon-common-extensions; compilers; cmake; ninja",
    "navigation": "ros-jazzy-navigation2; ros-jazzy-nav2-bringup; ros-jazzy-slam-toolbox",
    "turtlesim": "ros-jazzy-turtlesim; ros-jazzy-demo-nodes-py",
}
WEB = {
    "nodejs": "nodejs",
    "node tools": "nodejs 20.*; yarn; pnpm",
    "django": "django; psycopg2; gunicorn; celery; redis-py",
    "fastapi": "fastapi; uvicorn; sqlalchemy; pydantic; httpx; alembic",
    "flask on Python 3.9": "python 3.9.*; flask; requests; sqlalchemy <2",
    "documents": "sphinx; mkdocs; pandoc; graphviz; nbconvert",
    "clouds": "awscli; boto3; google-cloud-storage; s3fs; gcsfs",
    "airflow's neighbours": "prefect; dagster; sqlalchemy; postgresql",
}
COMPILERS = {
    "compilers": "compilers; cmake; ninja; make",
    "C++ with boost": "cxx-compiler; boost; eigen; hdf5; fmt; spdlog; cmake",
    "gcc 12 and fortran": "gxx 12.*; gfortran 12.*; openmpi; fftw",
    "clang": "clang; clangxx; llvm-openmp; cmake",
    "rust": "rust; maturin; python 3.12.*",
    "Python extensions": "python 3.13.*; cython; pybind11; meson-python; c-compiler; numpy",
    "MPI in Python": "mpi4py; mpich; h5py; numpy",
    "conda tools": "conda; conda-build; mamba; rattler-build; boa",
    "visualization": "vtk; pyside6; opencv; pyvista",
    "chemistry": "rdkit; openmm",
}
ON_TOP = [
    _on_top("seaborn onto pandas", "seaborn", "python 3.11.*; numpy; pandas", "2024-03-01"),
    _on_top("scikit-learn onto numpy", "scikit-learn", "python 3.11.*; numpy; scipy", "2023-12-01"),
    _on_top("geopandas onto jupyterlab", "geopandas", "python 3.11.*; jupyterlab; pandas", "2024-06-01"),
    _on_top("pytorch onto data science", "pytorch-cpu", "python 3.11.*; pandas; matplotlib", "2024-06-01"),
    _on_top("tidyverse onto r-base", "r-tidyverse", "r-base 4.4.*; r-ggplot2", "2025-06-01"),
    _on_top("ruff onto flask", "ruff", "python 3.12.*; flask; requests", "2024-09-01"),
    _on_top("newer numpy asked for", "numpy >=2", "python 3.11.*; numpy; pandas; scipy", "2024-03-01"),
    _on_top("newer Python asked for", "python 3.13.*", "python 3.12.*; numpy; pandas", "2024-09-01"),
    _on_top("pandas updated", "pandas >=2.2", "python 3.11.*; pandas; matplotlib; jupyterlab", "2023-10-01"),
    _on_top("dask onto xarray", "dask", "python 3.12.*; xarray; netcdf4", "2024-09-01"),
    _on_top("compilers onto nodejs", "compilers; cmake", "nodejs; python 3.12.*", "2024-09-01"),
    _on_top("gdal onto geopandas", "gdal; rasterio", "python 3.11.*; geopandas", "2024-03-01"),
    _on_top("samtools onto pandas", "samtools", "python 3.11.*; pandas", "2024-03-01", BIO),
    _on_top("ros-core onto compilers", "ros-jazzy-ros-core", "python 3.12.*; compilers", "2025-06-01", ROS),
]

REQUESTS = (
    *_area("small", FORGE, SMALL),
    *_area("data science", FORGE, DATA_SCIENCE),
    *_area("R", FORGE, R),
    *_area("geo", FORGE, GEO),
    *_area("bio", BIO, BIO_ROWS),
    *_area("bio", FORGE, SINGLE_CELL),
    *_area("ML, CUDA off", FORGE, ML_OFF),
    *_area("ML, CUDA off", TORCH, TORCH_OFF),
    *_cuda("12.8", FORGE, ML_ON),
    *_cuda("12.4", TORCH, TORCH_ON),
    *_cuda("12.4", NVIDIA, {"CUDA compilers": "cuda-nvcc; cuda-version 12.*; gxx_linux-64"}),
    *_area("ROS", ROS, ROS_ROWS),
    *_area("web", FORGE, WEB),
    *_area("compilers and tools", FORGE, COMPILERS),
    *ON_TOP,
)
