"""The language in which runs, experiments and projects are looked for: filters, orders and cursors.

Every filter that MLflow's ``search_runs`` or ``search_experiments`` takes is one of ours and means the same; beyond it there are OR,
NOT, parentheses, numbers in parameters, summaries of metrics, times and durations (``docs/store-queries.md``). A text is parsed to a
tree of values (``tree``), which ``records`` evaluates in plain Python and ``to_sql`` compiles for a database; both say the same.

No I/O and no clock here: whoever asks says what ``now`` is.
"""

from katib.store.query.order import Order, parse_order
from katib.store.query.parse import parse_filter
from katib.store.query.printing import print_filter
from katib.store.query.vocabulary import EXPERIMENTS, PROJECTS, RUNS, Vocabulary

__all__ = ["EXPERIMENTS", "PROJECTS", "RUNS", "Order", "Vocabulary", "parse_filter", "parse_order", "print_filter"]
