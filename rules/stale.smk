"""What can be asked for, and what runs: by content, once the jobs of a run are known."""

from functools import partial

from susx.planning.targets import require_known
from susx.workflow.graph import decide_before_jobs
from susx.workflow.previews import decision

decide_before_jobs(workflow, decision(SETUP), partial(require_known, SETUP))
