// The Lua scripts of coupons/gate/lua, one function each.
#pragma once

#include "state.h"

namespace pipeline {

// run_id names the process, replid the history of its data: each promotion begins another one.
inline Byte identity(const State &state, int server) {
  const int run_id = 1 + server + SERVERS * state.life[server];
  return static_cast<Byte>(protects(IDENTITY_HAS_REPLID) ? run_id + 8 * state.replid[server] : run_id);
}

inline bool is_open(const State &state, int server) {
  const Gate &gate = state.gate[server];
  if (!gate.epoch || !gate.opened_under) return false;
  return !protects(GATE_KNOWS_ITS_SERVER) || gate.opened_under == identity(state, server);
}

inline int count(const Gate &gate, Status status) {
  int found = 0;
  for (const Place &place : gate.user) found += place.status == status;
  return found;
}

// Whether the reconciler has to look for an archived coupon at the server (reconciler/forgetting.py).
inline bool has_to_look(const State &state, int server) {
  if (!state.looked) return true;
  return protects(FORGET_LOOKS_AGAIN) && state.looked != identity(state, server);
}

struct Admission { Decision decision; Byte time, epoch; };

inline Admission admit(State &state, int server, int user) {
  if (!is_open(state, server)) return {CLOSED, 0, 0};
  Gate &gate = state.gate[server];
  Place &place = gate.user[user];
  if (place.status == ISSUED || place.status == REJECTED) return {FINAL, place.time, gate.epoch};
  const bool paused = gate.definition.state != OPENED || (gate.definition.line && protects(LINE_CLOSES_THE_GATE));
  if (paused && !protects(ADMITTED_BEFORE_CLOSED)) return {REFUSED, 0, 0};
  if (place.status == PENDING) {
    if (protects(REPEATED_KEEPS_ITS_PLACE)) place.retried = 1;
    return {REPEATED, place.time, gate.epoch};
  }
  if (paused || gate.definition.total - count(gate, ISSUED) - count(gate, PENDING) <= 0) return {REFUSED, 0, 0};
  if (state.times[user] >= scope.times) return {BEYOND_SCOPE, 0, 0};
  place = {PENDING, ++state.times[user], 0};
  return {NEW, place.time, gate.epoch};
}

// promote.lua. total: as the ledger has it.
inline Admission promote(State &state, int server, const Promoter &promoter) {
  if (!is_open(state, server)) return {CLOSED, 0, 0};
  Gate &gate = state.gate[server];
  Place &place = gate.user[promoter.user];
  if (place.status == ISSUED || place.status == REJECTED) return {FINAL, place.time, gate.epoch};
  if (place.status == PENDING) {
    if (protects(REPEATED_KEEPS_ITS_PLACE)) place.retried = 1;
    return {REPEATED, place.time, gate.epoch};
  }
  if (!promoter.held && protects(PROMOTION_ENDS_IN_TIME)) return {REFUSED, 0, 0};
  const int left = promoter.total - count(gate, ISSUED) - count(gate, PENDING);
  if (gate.definition.state != OPENED || left <= 0) return {REFUSED, 0, 0};
  if (state.times[promoter.user] >= scope.times) return {BEYOND_SCOPE, 0, 0};
  place = {PENDING, ++state.times[promoter.user], 1};
  return {NEW, place.time, gate.epoch};
}

// True when the place is given back.
inline bool compensate(State &state, int server, const Writer &claim) {
  Gate &gate = state.gate[server];
  Place &place = gate.user[claim.user];
  if (!gate.epoch || gate.epoch != claim.epoch) return false;
  if (place.status != PENDING || place.time != claim.time || place.retried) return false;
  place = {};
  return true;
}

inline void settle(Gate &gate, int user, Byte mark) {
  Place &place = gate.user[user];
  if (!gate.epoch || !mark || place.status == ISSUED || place.status == REJECTED) return;
  place = {status_of(mark), time_of(mark), 0};
}

inline void define(Gate &gate, const Definition &definition) {
  if (gate.epoch && gate.definition.version < definition.version) gate.definition = definition;
}

inline bool begin(State &state, int server, Byte epoch, const Definition &definition) {
  Gate &gate = state.gate[server];
  if (gate.epoch >= epoch) return false;
  gate = {epoch, 0, identity(state, server), definition, {}};
  return true;
}

inline bool load(State &state, int server, Byte epoch, const Byte *seen) {
  Gate &gate = state.gate[server];
  if (gate.epoch != epoch) return false;
  if (protects(LOAD_KNOWS_ITS_SERVER) && gate.begun_under != identity(state, server)) return false;
  for (int user = 0; user < scope.users; user++) {
    Place &place = gate.user[user];
    if (!seen[user] || place.status == ISSUED || place.status == REJECTED) continue;
    if (status_of(seen[user]) == PENDING && place.status == PENDING) continue;
    const bool pending = status_of(seen[user]) == PENDING;
    place = {status_of(seen[user]), time_of(seen[user]), pending};
  }
  return true;
}

inline bool open(State &state, int server, Byte epoch, int loaded) {
  Gate &gate = state.gate[server];
  if (!epoch || gate.epoch != epoch) return false;
  if (protects(OPEN_KNOWS_ITS_SERVER) && gate.begun_under != identity(state, server)) return false;
  if (protects(OPEN_COUNTS) && USERS - count(gate, NOBODY) < loaded) return false;
  gate.opened_under = identity(state, server);
  return true;
}

}  // namespace pipeline
