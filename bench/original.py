"""The system this project re-does, reduced to what one of its retrain cycles computes: the peer of `retrain`.

Behaviour, not code: the newest 500 records, rolling mean and deviation over 5 rows of each face, an Isolation
Forest of 200 trees with `contamination=0.05` fitted on value, mean and deviation and applied to the same rows, the
model logged to MLflow on every cycle and pickled. The serialization is named explicitly: without that MLflow 3
refuses the model and the original cannot finish one cycle.
"""

from __future__ import annotations

import pickle
import resource
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest

WINDOW, ROLLING, TREES, CONTAMINATION = 500, 5, 200, 0.05


def records(seed: int = 0) -> pd.DataFrame:
    """The newest records as the original has them: a face and a distance each."""
    rng = np.random.default_rng(seed)
    faces = rng.choice(["NORTH", "SOUTH", "EAST", "WEST"], WINDOW)
    return pd.DataFrame({"face": faces, "distance_cm": rng.uniform(20.0, 100.0, WINDOW)})


def open_tracking(directory: Path) -> None:
    """Make the tracking store, with its models below `directory` too, not below where the benchmark was started."""
    mlflow.set_tracking_uri(f"sqlite:///{directory / 'original.db'}")
    mlflow.create_experiment("original", artifact_location=(directory / "original").as_uri())


def cycle(frame: pd.DataFrame, directory: Path) -> float:
    """One retrain; CPU seconds of this process and of the ones it starts."""
    begun = _cpu_s()
    value = frame.groupby("face", sort=False)["distance_cm"]
    mean = value.transform(lambda one: one.rolling(ROLLING).mean())
    std = value.transform(lambda one: one.rolling(ROLLING).std())
    rows = pd.DataFrame({"value": frame["distance_cm"], "mean": mean, "std": std}).dropna().to_numpy()
    model = IsolationForest(n_estimators=TREES, contamination=CONTAMINATION).fit(rows)
    model.predict(rows)
    model.decision_function(rows)
    mlflow.set_tracking_uri(f"sqlite:///{directory / 'original.db'}")
    mlflow.set_experiment("original")
    with mlflow.start_run():
        mlflow.sklearn.log_model(model, name="model", serialization_format="cloudpickle")
    (directory / "original.pkl").write_bytes(pickle.dumps(model))
    return _cpu_s() - begun


def _cpu_s() -> float:
    used = time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used + children.ru_utime + children.ru_stime
