"""What the recorded joint cases need of conda-forge and of PyPI, cut down to the names that matter in them.

CONDA: name, version, build, "noarch" for noarch python, and the dependencies among these names (python_abi is
written as the python that it stands for). PYPI: wheel, Requires-Python and the Requires-Dist among these names.
PYPI_OF_CONDA: wheels that PyPI has of what conda provides, which no joint plan may take.
"""

# ruff: noqa: E501
from __future__ import annotations

RECORDED = (
    "numpy 2 and scipy under gensim",
    "numpy 2.2 under numba",
    "numpy under opencv-python",
    "protobuf under streamlit",
    "protobuf and grpcio under tensorflow",
    "torch with mkl under fastai",
    "setuptools 82 under torch",
    "pydantic 2 under spacy",
    "typing_extensions under tensorflow beside pydantic",
    "urllib3 2 under botocore",
    "botocore of s3fs under boto3",
    "fsspec of s3fs under datasets",
    "sqlalchemy 2 under snowflake-sqlalchemy",
    "flask 3 under dash",
    "importlib-metadata 7 under opentelemetry",
    "an older python for ray",
    "an older python and an older scipy for pandasai",
    "no plan: numpy 2 and gensim",
    "no plan: python 3.12 and ray",
    "no plan: pydantic 2 and spacy",
)

CONDA = """\
aiobotocore 2.25.2 pyhcf101f3_0 noarch | python >=3.10 | botocore >=1.40.46,<1.40.71
aiobotocore 3.7.0 pyhcf101f3_0 noarch | python >=3.10 | botocore >=1.42.90,<1.43.1 | typing_extensions >=4.14.0,<5.0.0
boto3 1.40.61 pyhd8ed1ab_0 noarch | botocore >=1.40.61,<1.41.0 | python >=3.10
botocore 1.40.70 pyhd8ed1ab_0 noarch | python >=3.10 | urllib3 >=1.25.4,!=2.2.0,<3
botocore 1.40.76 pyhd8ed1ab_0 noarch | python >=3.10 | urllib3 >=1.25.4,!=2.2.0,<3
botocore 1.43.0 pyhd8ed1ab_0 noarch | python >=3.10 | urllib3 >=1.25.4,!=2.2.0,<3
fastapi 0.110.3 pyhd8ed1ab_0 noarch | pydantic >=1.7.4,!=1.8,!=1.8.1,!=2.0.0,!=2.0.1,!=2.1.0,<3.0.0 | python >=3.8
fastapi 0.135.3 hbd727af_0 noarch | fastapi-core ==0.135.3 pyhcf101f3_0
fastapi-core 0.135.3 pyhcf101f3_0 noarch | python >=3.10 | typing_extensions >=4.8.0 | pydantic >=2.9.0
flask 2.2.5 pyhd8ed1ab_0 noarch | importlib-metadata >=3.6.0 | python >=3.7 | werkzeug >=2.2.2
flask 3.1.3 pyhcf101f3_1 noarch | python >=3.10 | werkzeug >=3.1.0
fsspec 2024.6.1 pyhff2d567_0 noarch | python >=3.8
fsspec 2026.4.0 pyhd8ed1ab_0 noarch | python >=3.10
grpcio 1.62.2 py312hb06c811_0 | python >=3.12,<3.13.0a0
grpcio 1.80.0 py312h39ee1c6_0 | python >=3.12,<3.13.0a0
importlib-metadata 6.10.0 pyha770c72_0 noarch | python >=3.8
importlib-metadata 9.0.0 pyhcf101f3_0 noarch | python >=3.10
mkl 2024.2.2 ha770c72_17
mkl 2026.0.0 h0e700b2_915
numpy 1.26.4 py311h64a7726_0 | python >=3.11,<3.12.0a0
numpy 1.26.4 py312heda63a1_0 | python >=3.12,<3.13.0a0
numpy 2.1.3 py312h58c1407_0 | python >=3.12,<3.13.0a0
numpy 2.2.6 py312h72c5963_0 | python >=3.12,<3.13.0a0
numpy 2.4.6 py311h2e04523_0 | python 3.11.*
numpy 2.4.6 py312h33ff503_0 | python 3.12.*
numpy 2.4.6 py314h2b28147_0 | python 3.14.*
packaging 24.2 pyhd8ed1ab_2 noarch | python >=3.8
packaging 26.2 pyhc364b38_0 noarch | python >=3.8
pandas 2.2.3 py311h7db5c69_1 | numpy >=1.19,<3 | numpy >=1.22.4 | python >=3.11,<3.12.0a0
pandas 2.3.3 py311hed34c8f_2 | numpy >=1.22.4 | numpy >=1.23,<3 | python >=3.11,<3.12.0a0
pandas 2.3.3 py312hf79963d_1 | numpy >=1.22.4 | numpy >=1.23,<3 | python >=3.12,<3.13.0a0
pandas 3.0.3 py311h8032f78_0 | numpy >=1.26.0 | numpy >=1.23,<3 | python 3.11.*
pandas 3.0.3 py312h8ecdadd_0 | numpy >=1.26.0 | python 3.12.* | numpy >=1.23,<3
pandas 3.0.3 py314hb4ffadd_0 | numpy >=1.26.0 | numpy >=1.23,<3 | python 3.14.*
pip 26.1.2 pyh145f28c_0 noarch | python >=3.13.0a0
pip 26.1.2 pyh8b19718_0 noarch | python >=3.10,<3.13.0a0 | setuptools
protobuf 4.25.3 py312h83439f5_1 | python >=3.12,<3.13.0a0 | setuptools
protobuf 6.33.5 py312ha7b3241_2 | python >=3.12,<3.13.0a0
pydantic 1.10.16 py311h331c9d8_0 | python >=3.11,<3.12.0a0
pydantic 2.13.4 pyhcf101f3_0 noarch | typing_extensions >=4.14.1 | python >=3.10
python 3.11.15 hd63d673_0_cpython
python 3.12.13 hd63d673_0_cpython
python 3.14.5 habeac84_100_cp314
pytorch 2.5.1 cpu_mkl_py312_hf462abe_109 | fsspec | mkl >=2024.2.2,<2025.0a0 | numpy >=1.19,<3 | python >=3.12,<3.13.0a0 | setuptools | typing_extensions
pytorch 2.10.0 cpu_mkl_py312_hb9cd79e_105 | fsspec | mkl >=2026.0.0,<2027.0a0 | numpy >=1.23,<3 | python >=3.12,<3.13.0a0 | setuptools | typing_extensions >=4.10.0
requests 2.34.2 pyhcf101f3_0 noarch | python >=3.10 | urllib3 >=1.26,<3
s3fs 0.4.2 py_0 noarch | boto3 | fsspec >=0.6.0 | python >=3.5
s3fs 2024.6.1 pyhd8ed1ab_0 noarch | aiobotocore >=2.5.4,<3.0.0 | fsspec 2024.6.1 | python >=3.8
s3fs 2026.4.0 pyhd8ed1ab_0 noarch | aiobotocore >=2.19.0,<4.0.0 | fsspec 2026.4.0 | python >=3.10
scipy 1.10.1 py311h64a7726_3 | numpy >=1.23.5,<2.0a0 | python >=3.11,<3.12.0a0
scipy 1.13.1 py312hc2bc53b_0 | numpy <2.3 | numpy >=1.19,<3 | python >=3.12,<3.13.0a0
scipy 1.17.1 py312h54fa4ab_1 | numpy <2.7 | numpy >=1.23,<3 | numpy >=1.25.2 | python >=3.12,<3.13.0a0
scipy 1.17.1 py314hf07bd8e_1 | numpy <2.7 | numpy >=1.23,<3 | numpy >=1.25.2 | python >=3.14,<3.15.0a0
setuptools 81.0.0 pyh332efcf_0 noarch | python >=3.10
setuptools 82.0.1 pyh332efcf_0 noarch | python >=3.10
sqlalchemy 1.4.54 py311h9ecbd09_0 | python >=3.11,<3.12.0a0
sqlalchemy 2.0.50 py311haee01d2_0 | python 3.11.*
typer 0.9.4 pyhd8ed1ab_0 noarch | python >=3.6
typer 0.26.5 pyhcf101f3_0 noarch | python
typing_extensions 4.5.0 pyha770c72_0 noarch | python >=3.7
typing_extensions 4.15.0 pyhcf101f3_0 noarch | python >=3.10
urllib3 1.26.20 pyhd8ed1ab_0 noarch | python >=3.10
urllib3 2.7.0 pyhd8ed1ab_0 noarch | python >=3.10
werkzeug 2.2.3 pyhd8ed1ab_0 noarch | python >=3.7
werkzeug 3.1.8 pyhcf101f3_0 noarch | python >=3.10
"""

PYPI = """\
altair-5.5.0-py3-none-any.whl | >=3.9 | packaging
boto3-1.26.165-py3-none-any.whl | >= 3.7 | botocore <1.30.0,>=1.29.165 | s3transfer <0.7.0,>=0.6.0
boto3-1.40.61-py3-none-any.whl | >= 3.9 | botocore <1.41.0,>=1.40.61 | s3transfer <0.15.0,>=0.14.0
botocore-1.29.165-py3-none-any.whl | >= 3.7 | urllib3 <1.27,>=1.25.4
confection-0.1.5-py3-none-any.whl | >=3.6 | pydantic!=1.8,!=1.8.1,<3.0.0,>=1.7.4
contourpy-1.3.3-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl | >=3.11 | numpy>=1.25
dash-2.10.2-py3-none-any.whl | >=3.6 | Flask <2.3.0,>=1.0.4 | Werkzeug <2.3.0
datasets-3.0.1-py3-none-any.whl | >=3.8.0 | fsspec[http] <=2024.6.1,>=2023.1.0 | huggingface-hub >=0.22.0 | pandas
fastai-2.7.18-py3-none-any.whl | >=3.8 | torch<2.6,>=1.10 | torchvision>=0.11
gensim-4.3.3-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl | >=3.8 | numpy<2.0,>=1.18.5 | scipy<1.14.0,>=1.7.0
huggingface_hub-1.17.0-py3-none-any.whl | >=3.10.0 | fsspec>=2023.5.0
matplotlib-3.7.5-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl | >=3.8 | contourpy>=1.0.1 | numpy<2,>=1.20
numba-0.61.0-cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64.whl | >=3.10 | numpy<2.2,>=1.24
opencv_python-4.12.0.88-cp37-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl | >=3.6 | numpy<2.3.0,>=2
opentelemetry_api-1.21.0-py3-none-any.whl | >=3.7 | importlib-metadata<7.0,>=6.0
pandasai-3.0.0-py3-none-any.whl | >=3.8,<3.12 | matplotlib >=3.7.1,<3.8 | numpy >=1.17,<2.0 | pandas >=2.0.3,<3.0.0 | scipy ==1.10.1 | seaborn >=0.12.2,<0.13.0
ray-2.9.3-cp311-cp311-manylinux2014_x86_64.whl | >=3.8
s3transfer-0.14.0-py3-none-any.whl | >= 3.9 | botocore <2.0a.0,>=1.37.4
s3transfer-0.6.2-py3-none-any.whl | >= 3.7 | botocore <2.0a.0,>=1.12.36
seaborn-0.12.2-py3-none-any.whl | >=3.7 | matplotlib>=3.1,!=3.6.1 | numpy>=1.17,!=1.24.0 | pandas>=0.25
snowflake_sqlalchemy-1.5.1-py2.py3-none-any.whl | >=3.7 | sqlalchemy<2.0.0,>=1.4.0
spacy-3.5.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl | >=3.6 | pydantic !=1.8,!=1.8.1,<1.11.0,>=1.7.4 | thinc <8.2.0,>=8.1.8 | typer <0.10.0,>=0.3.0
streamlit-1.34.0-py2.py3-none-any.whl | >=3.8, !=3.9.7 | altair<6,>=4.0 | packaging<25,>=16.8 | protobuf<5,>=3.20
tensorboard-2.17.1-py3-none-any.whl | >=3.9 | grpcio>=1.48.2 | protobuf!=4.24.0,>=3.19.6
tensorflow-2.13.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl | >=3.8 | typing-extensions <4.6.0,>=3.6.6
tensorflow-2.17.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl | >=3.9 | grpcio<2.0,>=1.24.3 | protobuf!=4.21.0,!=4.21.1,!=4.21.2,!=4.21.3,!=4.21.4,!=4.21.5,<5.0.0dev,>=3.20.3 | tensorboard<2.18,>=2.17
thinc-8.1.12-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl | >=3.6 | confection<1.0.0,>=0.0.1 | pydantic!=1.8,!=1.8.1,<3.0.0,>=1.7.4
torch-2.11.0-cp312-cp312-manylinux_2_28_x86_64.whl | >=3.10 | setuptools<82
torchvision-0.20.1-cp312-cp312-manylinux1_x86_64.whl | >=3.8 | torch ==2.5.1
"""

PYPI_OF_CONDA = """\
aiobotocore-2.25.2-py3-none-any.whl
botocore-1.40.70-py3-none-any.whl
fastapi-0.110.3-py3-none-any.whl
flask-2.2.5-py3-none-any.whl
fsspec-2024.6.1-py3-none-any.whl
grpcio-1.62.2-py3-none-any.whl
importlib_metadata-6.10.0-py3-none-any.whl
numpy-1.26.4-py3-none-any.whl
numpy-2.1.3-py3-none-any.whl
numpy-2.2.6-py3-none-any.whl
numpy-2.4.6-py3-none-any.whl
packaging-24.2-py3-none-any.whl
pandas-2.2.3-py3-none-any.whl
pandas-2.3.3-py3-none-any.whl
pandas-3.0.3-py3-none-any.whl
pip-26.1.2-py3-none-any.whl
protobuf-4.25.3-py3-none-any.whl
pydantic-1.10.16-py3-none-any.whl
s3fs-2024.6.1-py3-none-any.whl
scipy-1.10.1-py3-none-any.whl
scipy-1.13.1-py3-none-any.whl
setuptools-81.0.0-py3-none-any.whl
sqlalchemy-1.4.54-py3-none-any.whl
torch-2.5.1-py3-none-any.whl
typer-0.9.4-py3-none-any.whl
typing_extensions-4.5.0-py3-none-any.whl
urllib3-1.26.20-py3-none-any.whl
werkzeug-2.2.3-py3-none-any.whl
"""
