"""Every state of the runbook: those that a drill causes, and why the others are not caused."""

from collections.abc import Mapping
from types import MappingProxyType

from chaos.drill.requests import REQUESTS
from chaos.drill.servers import SERVERS
from chaos.drill.state import State
from chaos.drill.stream import STREAM
from operations.doctor.findings import Section

STATES: Mapping[str, State] = MappingProxyType(
    {str(state.section): state for state in (*SERVERS, *STREAM, *REQUESTS)}
)
"""By the heading in the runbook."""

NOT_CAUSED: Mapping[Section, str] = MappingProxyType(
    {
        Section.DISK_FULL: "It needs a file system of its own. tests/faults/test_disk_full.py"
        " mounts one.",
        Section.LEDGER_RESTORED: "It needs a backup, and its way back takes minutes."
        " tests/pipeline/test_restore.py types it.",
        Section.SCHEMA: "Its way back takes minutes. tests/pipeline/test_ways_back.py types it.",
        Section.EVENTS: "They are off until somebody turns them on, and issuing needs none."
        " tests/pipeline/test_events.py causes each of these states.",
        Section.NOT_READ: "A record has to wait for 45 s, and the consumer that does not read it"
        " is named first. tests/consumer/test_unread.py causes it.",
        Section.LAG: "It needs more claims for minutes than the consumer of one machine can"
        " handle. tests/pipeline/test_monitor.py makes the lag.",
        Section.LIST_WAITS: "Without a reconciler, which is named first, or with a coupon that"
        " somebody locks. tests/reconciler/test_doctor_of_lists.py causes it.",
        Section.POOL_SHORT: "It is no fault. tests/ledger/test_codes.py and"
        " tests/monitor/test_right_numbers.py cause it.",
        Section.REDIS_RESTORED: "The reconciler repairs it within seconds, before anybody could"
        ' look. `python -m chaos --fault "redis restored"` causes it.',
    }
)
"""By heading: why no drill causes it, and what does."""
