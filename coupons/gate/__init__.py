"""The gate: the Redis keys and Lua scripts that admit or refuse, and the cache of statuses.

Keys of coupon 7, all in one hash slot of Redis Cluster:
  coupon:{7}                     hash: definition, epoch, the server's identity, counts
  coupon:{7}:<epoch>:pending     sorted set: REQUESTED users; score 2 x us (+1: tried again)
  coupon:{7}:<epoch>:settled:<n> hash: final users, sharded so that each stays a compact list
  coupon:{7}:audience:<version>:<n> string: a dot, and users of a list, packed
  coupon:{7}:room                hash: the block of numbers of the waiting room, and its lot
  coupon:{7}:room:<n>            hash: users of the waiting room with their numbers, sharded alike
The stock that is left is derived (total - issued - pending) and never stored, so it cannot drift.
"""

from coupons.gate.figures import GateFigures, unavailable_reason
from coupons.gate.gate import Decision, Gate, connect_gate
from coupons.gate.opening import open_coupon

__all__ = [
    "Decision",
    "Gate",
    "GateFigures",
    "connect_gate",
    "open_coupon",
    "unavailable_reason",
]
