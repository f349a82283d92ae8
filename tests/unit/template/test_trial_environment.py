"""What a trial is told of itself."""

import json

from katib.template.trial_environment import trial_environment

KNOWN = {"name": "e-1", "experiment": "e", "namespace": "ml", "index": 3}


def test_values_have_the_types_of_their_parameters():
    kinds = {"lr": "double", "layers": "int", "size": "discrete", "word": "categorical"}
    assignments = [("lr", "1e-05"), ("layers", "3"), ("size", "16"), ("word", "3")]
    found = trial_environment(**KNOWN, assignments=assignments, kinds=kinds)
    assert json.loads(found.pop("KATIB_TRIAL_PARAMETERS")) == {"lr": 1e-5, "layers": 3, "size": 16, "word": "3"}
    assert found == {
        "KATIB_TRIAL_NAME": "e-1",
        "KATIB_EXPERIMENT_NAME": "e",
        "KATIB_NAMESPACE": "ml",
        "KATIB_TRIAL_INDEX": "3",
    }


def test_what_is_not_known_or_too_long_is_left_out():
    assert "KATIB_TRIAL_PARAMETERS" not in trial_environment(**KNOWN, assignments=[("x", "1")], kinds=None)
    assert "KATIB_TRIAL_PARAMETERS" not in trial_environment(**KNOWN, assignments=[("net", "x" * 200_000)], kinds={})
    assert "KATIB_TRIAL_INDEX" not in trial_environment(**(KNOWN | {"index": None}), assignments=[], kinds={})
