"""What can be loaded, behind one small contract: load, signature, predict, unload (`base.Runtime`).

name or "auto" + Artifact --resolve.create--> Runtime --load()--> signature --predict(arrays)--> arrays --unload()

resolve.py       a name or a file -> the runtime's class; third parties add one by entry point
onnx.py          .onnx                                  |
sklearn.py       .skops; .joblib, .pkl, .pickle         |  one file a framework, imported inside `load`:
xgboost.py       .ubj, .json, .xgb                      |  a version's environment needs only its own
lightgbm.py      .txt, .lgb                             |
python.py        module:object                          |
mlflow.py        a folder with an MLmodel file          |
remote.py        http(s)://: another server             |

they share
artifacts.py     is the file there, is the framework installed, which outputs are wanted
reference.py     a Parquet or CSV file of training rows -> names and types
features.py      names and types -> input specs; arrays by name -> matrix or DataFrame
trusted_files.py skops, joblib and pickle: what may be opened, and what must be trusted first
estimators.py    which methods of an estimator are outputs, and how to run it once for two of them
linear.py        linear models as two NumPy operations, used only where they prove equal
typed.py         a Python function's annotations -> signature

around them
warmup.py        a signature -> one row to warm up with
environments.py  requirements.txt -> the interpreter of a version's own environment
"""
