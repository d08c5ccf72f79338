// A rebuild of the coupon at the gate (coupons/gate/rebuild.py, coupons/gate/opening.py).
#pragma once

#include "writing.h"

namespace pipeline {

inline int loaded(const Byte *seen) {
  int users = 0;
  for (int user = 0; user < USERS; user++) users += seen[user] != 0;
  return users;
}

inline void read_ledger(State &state, Byte *seen) {
  rows_follow_outcomes(state);
  for (int user = 0; user < scope.users; user++) seen[user] = told_of(state.ledger, user);
}

class Rebuilding {
 public:
  Rebuilding(const State &state, int who, Next &next) : state(state), who(static_cast<Byte>(who)), next(next) {}

  void steps() {
    const Rebuild &rebuild = state.rebuild[who];
    if (rebuild.at == NOT_BEGUN) return lock();
    if (state.left.crashes) {
      State &after = add(REBUILD_ENDS);
      after.left.crashes--;
      forget(after.rebuild[who]);
    }
    if (rebuild.locked && rebuild.at >= READ && state.left.lost) {
      State &after = add(REBUILD_UNLOCKED);
      after.left.lost--;
      after.rebuild[who].locked = 0;
    }
    if (rebuild.at == LOCKED) return fences();
    if (rebuild.at == BEGUN) {
      State &after = add(READ_LEDGER);
      read_ledger(after, after.rebuild[who].seen);
      // At its end, before anything is opened: what the beginning of the epoch has overwritten.
      if (protects(REBUILD_DEFINES_AGAIN)) define(after.gate[after.master], after.ledger.definition);
      after.rebuild[who].at = READ;
      return;
    }
    for (Byte server : gates(state)) at_gate(server);
  }

 private:
  const State &state;
  const Byte who;
  Next &next;

  State &add(What what, Byte server = 0, Byte value = 0) {
    return next.add(state, {what, who, 0, server, value, 0, {}});
  }

  void lock() {
    bool locked = false;
    for (const Rebuild &other : state.rebuild) locked |= other.at && other.locked;
    if (locked || !state.left.rebuilds || is_archived(state.ledger)) return;
    for (Byte server : gates(state)) {
      State &after = add(LOCK_REBUILD, server);
      after.left.rebuilds--;
      after.rebuild[who].at = LOCKED;
      after.rebuild[who].locked = 1;
      after.rebuild[who].above = state.gate[server].epoch;
    }
  }
  void fences() {
    if (any_runs(state) && protects(FENCE_WAITS_FOR_WRITES)) {
      if (scope.refusals) add(FENCE_WAITS);
      return;
    }
    State after = state;
    fence(after, state.rebuild[who].above);
    after.rebuild[who] = {FENCED, 1, 0, after.ledger.epoch, 0, after.ledger.definition, {}};
    add(FENCE) = after;
    if (!state.left.lost) return;
    after.left.lost--;
    forget(after.rebuild[who]);
    add(FENCE_LOST) = after;
  }
  // begin.lua, load.lua or open.lua; a rebuild that is void ends.
  void at_gate(Byte server) {
    const Rebuild &rebuild = state.rebuild[who];
    State after = state;
    Rebuild &own = after.rebuild[who];
    Step step{BEGIN, who, 0, server, 0, 0, {}};
    if (rebuild.at == FENCED) {
      step.value = begin(after, server, rebuild.epoch, rebuild.definition);
      own.at = BEGUN;
      own.definition = {};
    } else if (rebuild.at == READ) {
      step.what = LOAD;
      step.value = !loaded(rebuild.seen) || load(after, server, rebuild.epoch, rebuild.seen);
      own.at = LOADED;
      own.loaded = static_cast<Byte>(loaded(rebuild.seen));
      forget(own.seen);
    } else {
      step.what = OPEN;
      step.value = open(after, server, rebuild.epoch, rebuild.loaded);
    }
    if (!step.value || rebuild.at == LOADED) forget(own);
    next.add(after, step);
  }
};

}  // namespace pipeline
