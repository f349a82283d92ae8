"""The callbacks with the real libraries, as far as they are installed (``CONTRIBUTING.md`` says how to have all of them)."""

import json
import os
import signal
import warnings

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from katib.client import current_trial
from katib.client.callbacks.progress import Progress
from katib.errors import InvalidInput

# ruff: noqa: ARG002 - methods as the libraries call them

X = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)
WHY = "the library is not installed; it is one of the dependency group 'frameworks'"


@pytest.fixture(autouse=True)
def trial(monkeypatch, tmp_path):
    """A trial that reports into this file, and that may be told to end."""
    path = tmp_path / "push.jsonl"
    monkeypatch.setenv("KATIB_METRICS_FILE", str(path))
    monkeypatch.setenv("KATIB_TRIAL_NAME", "search-1")
    with threadpool_limits(1):
        yield path
    current_trial._ORDER.forget()


def told_to_end():
    assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGTERM)


def reports(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def series(path, name):
    return [(report["step"], float(report["metrics"][name])) for report in reports(path) if name in report["metrics"]]


class TestProgress:
    def test_chosen_numbers_are_reported_by_their_names(self, trial):
        values = {"loss": np.float32(0.5), "accuracy": 1, "state": [1, 2], "words": "none", "nothing": None}
        Progress().report(values, 1)
        Progress({"loss": "val/loss", "absent": "x", "state": "y"}).report(values, 2)
        Progress(["accuracy"]).report(values, 3)
        Progress([]).report(values, 4)
        assert [(report["step"], report["metrics"]) for report in reports(trial)] == [
            (1, {"loss": "0.5", "accuracy": "1.0"}),
            (2, {"val/loss": "0.5"}),
            (3, {"accuracy": "1.0"}),
        ]

    def test_one_name_is_no_list(self):
        with pytest.raises(InvalidInput, match="list of names"):
            Progress("loss")

    def test_outside_of_a_trial_nothing_stops_and_no_signal_is_caught(self, monkeypatch):
        monkeypatch.delenv("KATIB_TRIAL_NAME")
        before = signal.getsignal(signal.SIGTERM)
        assert not Progress().should_stop()
        assert signal.getsignal(signal.SIGTERM) == before


class TestXgboost:
    @pytest.fixture
    def train(self):
        xgboost = pytest.importorskip("xgboost", reason=WHY)
        from katib.client.callbacks.xgboost import KatibCallback

        class Ending(xgboost.callback.TrainingCallback):
            def after_iteration(self, model, epoch, evals_log):
                if epoch == 2:
                    told_to_end()
                return False

        def train(*, ends=False, metrics=None):
            callbacks = [*([Ending()] if ends else []), KatibCallback(metrics)]
            model = xgboost.XGBClassifier(n_estimators=8, max_depth=2, n_jobs=1, callbacks=callbacks)
            return model.fit(X[:150], Y[:150], eval_set=[(X[150:], Y[150:])], verbose=False)

        return train

    def test_reports(self, train, trial):
        model = train(metrics={"validation_0-logloss": "loss"})
        history = model.evals_result()["validation_0"]["logloss"]
        assert series(trial, "loss") == list(enumerate(pytest.approx(value) for value in history))
        assert len(history) == 8

    def test_end(self, train, trial):
        model = train(ends=True)
        assert model.get_booster().num_boosted_rounds() == 3
        assert [step for step, _ in series(trial, "validation_0-logloss")] == [0, 1, 2]

    def test_cross_validation(self, train, trial):
        xgboost = pytest.importorskip("xgboost")
        from katib.client.callbacks.xgboost import KatibCallback

        data = xgboost.DMatrix(X, Y)
        settings = {"objective": "binary:logistic", "nthread": 1}
        found = xgboost.cv(settings, data, 3, nfold=2, callbacks=[KatibCallback()], as_pandas=False)
        assert [value for _, value in series(trial, "test-logloss")] == pytest.approx(found["test-logloss-mean"])


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")  # what takes its place is new
class TestLightgbm:
    @pytest.fixture
    def train(self):
        lightgbm = pytest.importorskip("lightgbm", reason=WHY)
        from katib.client.callbacks.lightgbm import KatibCallback

        def ending(env):
            if env.iteration == 2:
                told_to_end()

        def train(*, ends=False, metrics=None):
            callbacks = [*([ending] if ends else []), KatibCallback(metrics)]
            model = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=4, n_jobs=1, verbose=-1)
            return model.fit(X[:150], Y[:150], eval_set=[(X[150:], Y[150:])], callbacks=callbacks)

        return train

    def test_reports(self, train, trial):
        model = train(metrics={"valid_0-binary_logloss": "loss"})
        history = model.evals_result_["valid_0"]["binary_logloss"]
        assert series(trial, "loss") == list(enumerate(pytest.approx(value) for value in history))
        assert len(history) == 8

    def test_end(self, train, trial):
        model = train(ends=True)
        assert model.booster_.current_iteration() == 3
        assert model.best_iteration_ == 3
        assert [step for step, _ in series(trial, "valid_0-binary_logloss")] == [0, 1, 2]
        assert model.predict(X).shape == Y.shape

    def test_cross_validation(self, train, trial):
        lightgbm = pytest.importorskip("lightgbm")
        from katib.client.callbacks.lightgbm import KatibCallback

        settings = {"objective": "binary", "num_threads": 1, "verbose": -1}
        found = lightgbm.cv(settings, lightgbm.Dataset(X, Y), 3, nfold=2, callbacks=[KatibCallback()])
        assert [value for _, value in series(trial, "valid-binary_logloss")] == pytest.approx(
            found["valid binary_logloss-mean"]
        )


@pytest.mark.filterwarnings("ignore::Warning")  # what the library warns of is its own
class TestKeras:
    @pytest.fixture
    def train(self, monkeypatch):
        if "KERAS_BACKEND" not in os.environ:
            from importlib.util import find_spec

            backend = next((name for name in ("jax", "torch", "tensorflow") if find_spec(name)), "numpy")
            monkeypatch.setenv("KERAS_BACKEND", backend)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keras = pytest.importorskip("keras", reason=WHY)
        from katib.client.callbacks.keras import KatibCallback

        class Ending(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                if batch == 1 and self.model.told:
                    told_to_end()

        def train(*, ends=False, metrics=None):
            model = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
            model.compile("sgd", "mse")
            model.told = ends
            callbacks = [Ending(), KatibCallback(metrics)]
            return model.fit(X, Y, epochs=3, batch_size=20, validation_split=0.2, verbose=0, callbacks=callbacks)

        return train

    def test_reports(self, train, trial):
        history = train(metrics={"val_loss": "loss"}).history
        assert series(trial, "loss") == list(enumerate(pytest.approx(value) for value in history["val_loss"]))
        assert len(history["val_loss"]) == 3

    def test_end(self, train, trial):
        history = train(ends=True).history
        assert len(history["loss"]) == 1
        assert [step for step, _ in series(trial, "val_loss")] == [0]


@pytest.mark.filterwarnings("ignore::Warning")
class TestLightning:
    @pytest.fixture
    def train(self, tmp_path, monkeypatch):
        torch = pytest.importorskip("torch", reason=WHY)
        lightning = pytest.importorskip("lightning.pytorch", reason=WHY)
        from katib.client.callbacks.lightning import KatibCallback

        class Model(lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(4, 1)
                self.seen = []

            def loss(self, batch):
                x, y = batch
                return torch.nn.functional.mse_loss(self.layer(x)[:, 0], y)

            def training_step(self, batch, index):
                if self.ends and self.current_epoch == 1 and index == 1:
                    told_to_end()
                self.seen.append((self.current_epoch, index))
                return self.loss(batch)

            def validation_step(self, batch, index):
                self.log("val_loss", self.loss(batch))

            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.01)

        def train(*, ends=False, metrics=None):
            data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y, dtype=torch.float32))
            batches = torch.utils.data.DataLoader(data, batch_size=50)
            model = Model()
            model.ends = ends
            trainer = lightning.Trainer(
                max_epochs=4,
                accelerator="cpu",
                devices=1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                default_root_dir=tmp_path,
                callbacks=[KatibCallback(metrics)],
            )
            trainer.fit(model, batches, batches)
            return model, trainer

        return train

    def test_reports(self, train, trial):
        _, trainer = train(metrics={"val_loss": "loss"})
        found = series(trial, "loss")
        assert [step for step, _ in found] == [0, 1, 2, 3]
        assert found[-1][1] == pytest.approx(float(trainer.callback_metrics["val_loss"]))

    def test_end(self, train, trial):
        model, _ = train(ends=True)
        assert model.seen[-1] == (1, 1)
        assert series(trial, "val_loss")[0][0] == 0


@pytest.mark.filterwarnings("ignore::Warning")
class TestTransformers:
    @pytest.fixture
    def train(self, tmp_path):
        torch = pytest.importorskip("torch", reason=WHY)
        transformers = pytest.importorskip("transformers", reason=WHY)
        pytest.importorskip("accelerate", reason=WHY)
        from katib.client.callbacks.transformers import KatibCallback

        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(4, 2)

            def forward(self, x, labels):
                scores = self.layer(x)
                return {"loss": torch.nn.functional.cross_entropy(scores, labels), "logits": scores}

        class Ending(transformers.TrainerCallback):
            def on_step_begin(self, args, state, control, **_):
                if state.global_step == 5:
                    told_to_end()

        def train(*, ends=False, metrics=None):
            data = [{"x": torch.tensor(x), "labels": torch.tensor(int(y))} for x, y in zip(X, Y, strict=True)]
            arguments = transformers.TrainingArguments(
                output_dir=str(tmp_path / "out"),
                num_train_epochs=3,
                per_device_train_batch_size=50,
                eval_strategy="epoch",
                logging_steps=2,
                save_strategy="no",
                report_to=[],
                use_cpu=True,
                disable_tqdm=True,
            )
            trainer = transformers.Trainer(
                Model(),
                arguments,
                train_dataset=data,
                eval_dataset=data,
                callbacks=[*([Ending()] if ends else []), KatibCallback(metrics)],
            )
            trainer.train()
            return trainer

        return train

    def test_reports(self, train, trial):
        trainer = train(metrics={"eval_loss": "loss"})
        logged = [(entry["step"], entry["eval_loss"]) for entry in trainer.state.log_history if "eval_loss" in entry]
        assert series(trial, "loss") == [(step, pytest.approx(value)) for step, value in logged]
        assert [step for step, _ in logged] == [4, 8, 12]

    def test_end(self, train, trial):
        trainer = train(ends=True)
        assert trainer.state.global_step == 6
        assert [step for step, _ in series(trial, "loss")] == [2, 4, 6]
