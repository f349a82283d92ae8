"""MLflow's REST API, as far as its tracking client uses it: enough that ``mlflow.log_metric`` in a trial needs no other library.

MLflow's words are not ours: its *workspace* is our namespace, its *experiment* our project, and its *run* our run. A run with a parent
is a trial of the experiment whose root run the parent is. ``docs/mlflow.md`` lists what is there and what is not.

Each module holds the operations of one kind of thing; ``messages`` writes our records as MLflow's JSON, ``fields`` reads its requests.
"""
