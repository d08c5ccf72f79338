"""All faults, by name."""

from chaos.faults.connector import connector_faults
from chaos.faults.fault import Fault, FaultContext
from chaos.faults.garbage import garbage_fault
from chaos.faults.networks import network_faults
from chaos.faults.processes import api_worker_faults, process_faults
from chaos.faults.second_consumer import fencing_fault, rebalance_fault
from chaos.faults.servers import postgres_faults, redis_faults
from chaos.faults.sessions import session_faults


def all_faults(context: FaultContext) -> dict[str, Fault]:
    """By name, always in the same order: a seed stands for the same faults in every run."""
    target = context.target
    faults = [
        *process_faults(target),
        *api_worker_faults(context),
        *redis_faults(target),
        *network_faults(target),
        *postgres_faults(target),
        *connector_faults(context),
        rebalance_fault(target),
        fencing_fault(target),
        *session_faults(target),
        garbage_fault(context),
    ]
    return {fault.name: fault for fault in faults}
