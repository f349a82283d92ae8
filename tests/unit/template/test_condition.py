"""How a job's end is recognised: the queries that Katib's users write, over jobs as clusters show them."""

import pytest

from katib.template.condition import condition_problem, outcome


def conditions(word, status="True"):
    return f'status.conditions.#(type=="{word}")#|#(status=="{status}")#'


JOB = (conditions("Complete"), conditions("Failed"))
TRAINING = (conditions("Succeeded"), conditions("Failed"))
COUNTS = ("status.[@this].#(succeeded==1)", "status.[@this].#(failed==1)")
ARGO = ('status.[@this].#(phase=="Succeeded")#', 'status.[@this].#(phase=="Failed")#')
TEKTON = (conditions("Succeeded"), conditions("Succeeded", "False"))
ALL = {"job": JOB, "training": TRAINING, "counts": COUNTS, "argo": ARGO, "tekton": TEKTON}


def status(*conditions, **more):
    listed = [dict(zip(("type", "status", "reason", "message"), each, strict=False)) for each in conditions]
    return {"status": ({"conditions": listed} if listed else {}) | more}


@pytest.mark.parametrize(
    ("queries", "job", "kind", "reason", "message"),
    [
        ("job", status(("Complete", "True", "Done", "all done")), "succeeded", "Done", "all done"),
        ("job", status(("Failed", "True", "BackoffLimitExceeded", "no more")), "failed", "BackoffLimitExceeded", "no more"),
        ("job", status(("SuccessCriteriaMet", "True"), ("Complete", "True")), "succeeded", "", ""),
        ("job", status(("Complete", "True"), ("Failed", "True", "Both")), "failed", "Both", ""),
        ("job", status(("Complete", "False")), "running", "", ""),
        ("job", status(("Suspended", "True")), "running", "", ""),
        ("training", status(("Created", "True"), ("Running", "False"), ("Succeeded", "True", "Ok")), "succeeded", "Ok", ""),
        ("training", status(("Created", "True"), ("Running", "True")), "running", "", ""),
        ("training", status(("Running", "True"), ("Failed", "True", "Oom", "killed")), "failed", "Oom", "killed"),
        ("counts", status(succeeded=1), "succeeded", "", ""),
        ("counts", status(failed=1), "failed", "", ""),
        ("counts", status(succeeded=2), "running", "", ""),
        ("counts", status(active=1), "running", "", ""),
        ("argo", status(phase="Succeeded", message="fine"), "succeeded", "", "fine"),
        ("argo", status(phase="Failed", message="child failed"), "failed", "", "child failed"),
        ("argo", status(phase="Running"), "running", "", ""),
        ("tekton", status(("Succeeded", "True", "Completed")), "succeeded", "Completed", ""),
        ("tekton", status(("Succeeded", "False", "PipelineRunTimeout", "late")), "failed", "PipelineRunTimeout", "late"),
        ("tekton", status(("Succeeded", "Unknown", "Running")), "running", "", ""),
    ],
)  # fmt: skip
def test_outcome(queries, job, kind, reason, message):
    found = outcome(job, *ALL[queries])
    assert (found.kind, found.reason, found.message) == (kind, reason, message)


@pytest.mark.parametrize("queries", ALL)
@pytest.mark.parametrize(
    "job",
    [
        {},
        {"status": None},
        {"status": {}},
        {"status": []},
        {"status": "text"},
        {"status": {"conditions": None}},
        {"status": {"conditions": []}},
        {"status": {"conditions": "text"}},
        {"status": {"conditions": {"type": "Complete"}}},
        {"status": {"conditions": [None, 3, "x", {}, {"type": None}]}},
    ],
    ids=repr,
)
def test_job_that_says_nothing_yet_is_running(queries, job):
    assert outcome(job, *ALL[queries]).kind == "running"


@pytest.mark.parametrize("query", ["status.count", "status.text", "status.flag", "status.empty", "status.none", ""])
def test_only_an_object_or_a_list_with_something_in_it_matches(query):
    job = status(count=1, text="done", flag=True, empty=[], none=None)
    assert outcome(job, query, "").kind == "running"


def test_list_and_object_match_and_the_first_element_speaks():
    job = {
        "status": {
            "ends": [{"reason": "first"}, {"reason": "second"}],
            "end": {"message": 5, "reason": None},
            "words": ["x"],
        }
    }
    assert outcome(job, "status.ends", "").reason == "first"
    assert outcome(job, "status.end", "").message == "5"
    assert outcome(job, "status.words", "").kind == "succeeded"


@pytest.mark.parametrize("query", [query for pair in ALL.values() for query in pair])
def test_queries_of_katibs_users_are_accepted(query):
    assert condition_problem(query) == ""


@pytest.mark.parametrize(
    "query", ["status.phase", "status.conditions.7.type", "metadata.labels.@keys", "status.succ*", "status.@fromstr.x"]
)
def test_what_only_this_job_lacks_is_no_fault_of_the_query(query):
    assert condition_problem(query) == ""


@pytest.mark.parametrize(
    "query",
    [
        "status.conditions.#(type==",
        'status.conditions.#(type=="Complete"#',
        "status..conditions",
        ".status",
        "status.",
        "status.@nosuch",
        "status.[",
        "status.{a",
        "status.@pretty:{",
        "status.\\",
        "[" * 450 + "]" * 450,
        "x" * 1_001,
    ],
)
def test_query_that_cannot_be_read_is_told_in_one_line(query):
    said = condition_problem(query)
    assert said
    assert "\n" not in said
    assert len(said) < 200


def test_query_that_cannot_be_read_never_matches():
    assert outcome(status(succeeded=1), "status..x", "status.[").kind == "running"
