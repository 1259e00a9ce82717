"""What can be asked for, and what runs: by content, once the jobs of a run are known."""

from functools import partial

from susx.planning.staleness import decide
from susx.planning.targets import require_known
from susx.workflow.graph import decide_before_jobs

decide_before_jobs(workflow, partial(decide, SETUP), partial(require_known, SETUP))
