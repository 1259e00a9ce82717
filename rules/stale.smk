"""What runs is decided by content, once the jobs of a run are known."""

from functools import partial

from susx.planning.staleness import decide
from susx.workflow.graph import decide_before_jobs

decide_before_jobs(workflow, partial(decide, SETUP))
