// What API processes, users, administrators and faults do.
#pragma once

#include "../explorer.h"
#include "gate.h"

namespace room {

using Next = Successors<State, Step>;

inline void arrives(const State &state, Byte which, Next &next) {
  if (!state.left.arrivals) return;
  for (Byte users = 1; users < 1 << scope.users; users++)
    for (Byte bare = 0; bare <= (state.left.bare ? 1 : 0); bare++) {
      State &after = next.add(state, {ARRIVE, which, users, 0, bare});
      after.left.arrivals--;
      after.left.bare = static_cast<Byte>(after.left.bare - bare);
      Worker &worker = after.worker[which];
      worker.at = ASKING;
      worker.users = users;
      for (int user = 0; user < scope.users; user++)
        if (users >> user & 1 && !bare) worker.sent[user] = state.ticket[user];
    }
  for (Byte user = 0; user < scope.users && !protects(TICKETS_ARE_SIGNED); user++)
    for (Byte number = 0; number < BLOCK; number++) {
      State &after = next.add(state, {FORGE, which, static_cast<Byte>(1 << user), number, 0});
      after.left.arrivals--;
      after.worker[which].at = ASKING;
      after.worker[which].users = static_cast<Byte>(1 << user);
      after.worker[which].sent[user] = static_cast<Byte>(number + 1);
    }
}

inline void asks(const State &state, Byte which, Next &next) {
  for (Byte lost = 0; lost <= (state.left.lost ? 1 : 0); lost++) {
    State after = state;
    after.left.lost = static_cast<Byte>(after.left.lost - lost);
    bool beyond = false;
    const char *broken = ask(after, after.worker[which], !lost, beyond);
    if (beyond) continue;
    next.add(after, {ASK, which, 0, 0, lost});
    if (broken) next.blame(broken);
  }
}

inline void works(const State &state, Byte which, Next &next) {
  const Worker &now = state.worker[which];
  if (now.at == FREE) return arrives(state, which, next);
  if (state.left.crashes) {
    State &after = next.add(state, {CRASH, which, 0, 0, 0});
    after.left.crashes--;
    after.worker[which] = {};
  }
  State after = state;
  Worker &worker = after.worker[which];
  const char *broken = nullptr;
  switch (now.at) {
    case ASKING: return asks(state, which, next);
    case NEEDS_BLOCK:
      reserve(after, worker);
      if (after.ledger.next_number <= NUMBERS) next.add(after, {RESERVE, which, 0, 0, 0});
      return;
    case HAS_BLOCK: give_block(after, worker); break;
    case NEEDS_LOT: broken = draw(after, worker); break;
    default: give_lot(after, worker);
  }
  const What what = now.at == HAS_BLOCK ? GIVE_BLOCK : now.at == NEEDS_LOT ? DRAW : GIVE_LOT;
  next.add(after, {what, which, 0, 0, 0});
  if (broken) next.blame(broken);
}

inline void claims(const State &state, Next &next) {
  if (state.clock < scope.clock) next.add(state, {TICK, 0, 0, 0, 0}).clock++;
  if (state.left.moves && state.clock) {
    State &after = next.add(state, {MOVE_OPENING, 0, 0, 0, 0});
    after.left.moves--;
    after.clock = 0;
    after.ledger.version++;
    define(after, after.ledger.version, after.ledger.has_room);
    note_known(after);
  }
  for (Byte user = 0; user < scope.users; user++) {
    if (state.admitted[user] || !admit(state, user)) continue;
    next.add(state, {CLAIM, user, 0, 0, 0}).admitted[user] = 1;
    if (state.known && state.ledger.has_room && !may_claim(state, user)) next.blame("18: admitted before the turn");
  }
}

// set_waiting_room: a room begins before the opening; it is taken away at any time.
inline void changes(const State &state, Next &next) {
  if (state.ledger.version > state.gate.version && is_open(state)) {
    State &after = next.add(state, {DEFINE, 0, 0, 0, 0});
    define(after, state.ledger.version, state.ledger.has_room);
    note_known(after);
  }
  if (!state.left.changes || (!state.ledger.has_room && state.clock > 1)) return;
  for (Byte untold = 0; untold < 2; untold++) {
    State &after = next.add(state, {state.ledger.has_room ? TAKE_AWAY : SET_ROOM, 0, 0, 0, untold});
    after.left.changes--;
    after.ledger.version++;
    after.ledger.has_room = !state.ledger.has_room;
    after.known = 0;
    if (untold) continue;
    define(after, after.ledger.version, after.ledger.has_room);
    // A gate that is being loaded has it now, and must not lose it until it is opened.
    after.known = after.gate.exists && after.gate.version == after.ledger.version;
  }
}

inline void rebuilds(const State &state, Next &next) {
  const Rebuild &now = state.rebuild;
  if (now.at == NOT_REBUILDING) {
    if (is_open(state) && !state.left.rebuilds) return;
    State &after = next.add(state, {REBUILD_READS, 0, 0, 0, 0});
    if (is_open(state)) after.left.rebuilds--;
    after.rebuild = {READ, state.ledger.version, state.ledger.has_room};
  } else if (now.at == READ) {
    State &after = next.add(state, {REBUILD_BEGINS, 0, 0, 0, 0});
    after.gate.exists = 1;
    after.gate.opened_under = 0;
    after.gate.version = now.version;
    after.gate.has_room = now.has_room;
    after.rebuild.at = BEGUN;
  } else {
    State &after = next.add(state, {REBUILD_OPENS, 0, 0, 0, 0});
    after.rebuild = {};
    if (protects(REBUILD_BRINGS_THE_ROOM)) define(after, state.ledger.version, state.ledger.has_room);
    after.gate.opened_under = state.identity;
    note_known(after);
  }
}

// A rebuild that is under way is void: see load.lua and open.lua in the model of the pipeline.
inline void losses(const State &state, Next &next) {
  if (state.left.flushes) {
    State &after = next.add(state, {FLUSH, 0, 0, 0, 0});
    after.left.flushes--;
    after.gate = {};
    after.rebuild = {};
  }
  if (state.left.restarts) {
    State &after = next.add(state, {RESTART, 0, 0, 0, 0});
    after.left.restarts--;
    after.identity = ++after.identities;
    after.rebuild = {};
  }
  if (!state.left.failovers) return;
  if (std::memcmp(&state.older, &state.gate, sizeof state.gate)) next.add(state, {KEEP, 0, 0, 0, 0}).older = state.gate;
  State &after = next.add(state, {FAIL_OVER, 0, 0, 0, 0});
  after.left.failovers--;
  after.gate = state.older;
  after.identity = ++after.identities;
  after.rebuild = {};
}

}  // namespace room
