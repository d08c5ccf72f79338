// The scripts and statements that know the user: settle.lua, erase.lua, replace_user, issue_requests, a rebuild.
#pragma once

#include "state.h"

namespace erasure {

inline Byte bit(Byte time) { return static_cast<Byte>(1 << time); }
inline Byte mark(Byte status, Byte time) { return static_cast<Byte>(status << 4 | time); }
inline bool is_final(Byte status) { return status == ISSUED || status == REJECTED; }

inline int issued_count(const Ledger &ledger) {
  int count = ledger.outcome == ISSUED;
  for (Byte status : ledger.id_status) count += status == ISSUED;
  return count;
}

inline int marks_of(const Gate &gate) {
  int count = is_final(gate.status);
  for (Byte status : gate.id_status) count += status != NOBODY;
  return count;
}

inline bool has_stock(const Gate &gate) {
  int taken = gate.status == ISSUED || gate.status == PENDING;
  for (Byte status : gate.id_status) taken += status == ISSUED;
  return taken < scope.total;
}

inline void settle(Gate &gate, Byte marked) {
  if (!marked || is_final(gate.status)) return;
  gate.status = marked >> 4;
  gate.time = marked & 15;
  gate.settled++;
}

// accept_requests, in the epoch of the admission.
inline void write(State &state, Byte time, Byte epoch) {
  if (epoch != state.ledger.epoch || state.ledger.row) return;
  state.ledger.row = time;
  state.log |= bit(time);
  state.due |= bit(time);
}

// issue_requests for one record; the mark that follows.
inline Byte issue(Ledger &ledger, Byte time) {
  if (!ledger.outcome) {
    ledger.outcome = issued_count(ledger) < scope.total ? ISSUED : REJECTED;
    ledger.outcome_time = time;
  }
  return mark(ledger.outcome, time);
}

inline Byte requested_at(const Ledger &ledger) { return ledger.row ? ledger.row : ledger.outcome_time; }

// Whether the gate has what the ledger says of the user, or is unavailable (_check_final).
inline bool is_marked(const State &state) {
  const Gate &gate = state.gate;
  if (!gate.is_open || !protects(MARK_IS_AWAITED)) return true;
  return gate.status == state.ledger.outcome && gate.time == requested_at(state.ledger);
}

// replace_user and watch_erased. False: it is refused, or there is no further id in this scope.
inline bool replace(State &state) {
  Ledger &ledger = state.ledger;
  if (!ledger.outcome && protects(UNFINISHED_IS_REFUSED)) return false;
  if (state.rebuild.at && protects(REBUILD_IS_EXCLUDED)) return false;
  int id = 0;
  while (id < IDS && ledger.id_status[id]) id++;
  if (id == IDS) return false;
  if (!ledger.outcome) return true;  // only without the protection: the row stays, and so does the user
  const Byte time = requested_at(ledger);
  ledger.id_status[id] = ledger.outcome;
  ledger.id_time[id] = time;
  ledger.row = ledger.outcome = ledger.outcome_time = 0;
  state.watched[time] = {1, static_cast<Byte>(id + 1), 0};
  return true;
}

// forget_arrivals, and erase.lua for each id that the gate may not have.
inline void erase_at_gate(State &state) {
  Gate &gate = state.gate;
  if (protects(ROOM_IS_LEFT)) gate.in_room = 0;
  for (Byte time = 1; time <= TIMES; time++) {
    Watched &watched = state.watched[time];
    if (!watched.replaced_by) continue;
    Byte &there = gate.id_status[watched.replaced_by - 1];
    const Byte status = state.ledger.id_status[watched.replaced_by - 1];
    const bool is_it = gate.time == time || !protects(NEW_CLAIMS_STAY);
    if (gate.status == status && is_it) {
      gate.status = gate.time = 0;
      if (there && protects(COUNTS_FOLLOW)) gate.settled--;
      there = status;
    }
    watched.at_gate = 1;
  }
}

// An outcome whose record came again: not where the user has a request of another time.
inline bool is_back(const State &state, Byte time) {
  const Ledger &ledger = state.ledger;
  if (!state.watched[time].is_erased || !protects(WATCH_SEES_RETURNED)) return false;
  if (!protects(NEW_CLAIMS_STAY)) return ledger.outcome;
  return ledger.outcome && ledger.outcome_time == time && (!ledger.row || ledger.row == time);
}

// reconciler/erasure_watch.py, once. nullptr, or what is broken.
inline const char *watch(State &state) {
  bool has_to_erase = false;
  for (Byte time = 1; time <= TIMES; time++) {
    const Watched &watched = state.watched[time];
    if (is_back(state, time)) {
      if (!is_marked(state)) return nullptr;
      const bool is_new = state.asked & bit(requested_at(state.ledger));
      if (!replace(state)) return nullptr;
      has_to_erase = true;
      if (is_new) return "22: what the user has asked for since the erasure is erased";
    }
    if (!watched.replaced_by) continue;
    has_to_erase |= watched.at_gate || (!state.call.at && protects(WATCH_ENDS_WHAT_WAS_CUT_OFF));
  }
  if (has_to_erase) erase_at_gate(state);
  return nullptr;
}

inline void read_ledger(State &state) {
  Ledger &ledger = state.ledger;
  Rebuild &rebuild = state.rebuild;
  if (ledger.outcome && !ledger.row) write(state, ledger.outcome_time, ledger.epoch);  // rows follow outcomes
  rebuild.at = READ;
  rebuild.status = ledger.row ? (ledger.outcome ? ledger.outcome : static_cast<Byte>(PENDING)) : static_cast<Byte>(NOBODY);
  rebuild.time = ledger.row;
  std::memcpy(rebuild.id_status, ledger.id_status, sizeof rebuild.id_status);
}

inline void fence(State &state) {
  state.ledger.epoch++;
  const Byte in_room = state.gate.in_room;
  state.gate = {};
  state.gate.epoch = state.ledger.epoch;
  state.gate.in_room = in_room;
  state.rebuild = {};
  state.rebuild.at = FENCED;
}

// load.lua and open.lua: marks that were made meanwhile stay.
inline void load_and_open(State &state) {
  Gate &gate = state.gate;
  const Rebuild &read = state.rebuild;
  if (is_final(read.status)) settle(gate, mark(read.status, read.time));
  if (read.status == PENDING && !gate.status) {
    gate.status = PENDING;
    gate.time = read.time;
  }
  for (int id = 0; id < IDS; id++)
    if (read.id_status[id] && !gate.id_status[id]) {
      gate.id_status[id] = read.id_status[id];
      gate.settled++;
    }
  gate.is_open = 1;
  state.rebuild = {};
}

}  // namespace erasure
