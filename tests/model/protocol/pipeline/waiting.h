// The standby list: users join and leave a line, and the reconciler promotes the first in it
// (operations/repair/promotion.py, sql/migrations/0028_standby_list.sql).
#pragma once

#include "writing.h"

namespace pipeline {

inline void joins(const State &state, Next &next) {
  const Definition &now = state.ledger.definition;
  if (!state.left.joins || now.state != OPENED) return;
  for (Byte user = 0; user < scope.users; user++) {
    // Who waits claims no more here: a claim that is also in line is in tests/reconciler/test_standby.py.
    if (state.claims[user] || state.ledger.row[user] || state.ledger.number[user] || state.quit[user]) continue;
    for (Byte untold = 0; untold < (now.line ? 1 : 2); untold++) {
      State &after = next.add(state, {JOIN, 0, user, 0, 0, untold, {}});
      after.left.joins--;
      after.claims[user] = static_cast<Byte>(scope.claims);
      Byte last = 0;
      for (Byte number : state.ledger.number) last = std::max(last, number);
      after.ledger.number[user] = static_cast<Byte>(last + 1);
      if (now.line) continue;
      after.ledger.definition = {next_number(state, now.version), now.total, now.state, 1};
      after.began = after.ledger.definition.version;
      after.on_its_way = untold ? Definition{} : after.ledger.definition;
    }
  }
}

inline void leaves(const State &state, Next &next) {
  if (!state.left.leaves) return;
  for (Byte user = 0; user < scope.users; user++) {
    if (!state.ledger.number[user]) continue;
    const bool held = state.promoter.held && state.promoter.user == user;
    if (held && protects(PROMOTION_HOLDS_THE_ENTRY)) continue;
    for (Byte server : gates(state)) {
      const bool admitted = is_open(state, server) && state.gate[server].user[user].status != NOBODY;
      if (admitted && protects(LEAVING_ASKS_THE_GATE)) continue;
      State &after = next.add(state, {LEAVE, 0, user, server, 0, 0, {}});
      after.left.leaves--;
      after.ledger.number[user] = 0;
      after.quit[user] = 1;
    }
  }
}

// tidy_standby: waits for who is joining, and for who promotes.
inline bool line_ends(Ledger &ledger, Byte version) {
  if (ledger.definition.state >= ENDED) forget(ledger.number);
  if (!ledger.definition.line || first_in_line(ledger) != USERS) return false;
  ledger.definition.line = 0;
  ledger.definition.version = version;
  return true;
}

inline void promotes(const State &state, Next &next) {
  const Promoter &now = state.promoter;
  if (now.at == NOT_PROMOTING) {
    const Byte user = first_in_line(state.ledger);
    const Definition &definition = state.ledger.definition;
    if (user == USERS || !definition.line || definition.state != OPENED) return;
    next.add(state, {HOLD, 0, user, 0, 0, 0, {}}).promoter = {HOLDING, user, 1, definition.total, 0, 0};
    return;
  }
  const auto step = [&](What what, Byte server, Byte value) { return Step{what, 0, now.user, server, value, 0, {}}; };
  if (state.left.crashes) {
    State &after = next.add(state, step(PROMOTER_CRASHES, 0, 0));
    after.left.crashes--;
    forget(after.promoter);
  }
  if (now.held && state.left.lost) {
    State &after = next.add(state, step(HOLD_LOST, 0, 0));
    after.left.lost--;
    after.promoter.held = 0;
  }
  if (now.at == HOLDING) {
    for (Byte server : gates(state)) {
      State after = state;
      const Admission answer = promote(after, server, now);
      if (answer.decision == BEYOND_SCOPE) continue;
      if (answer.decision == NEW || answer.decision == REPEATED) {
        after.promoter.at = PROMOTED_AT_GATE;
        after.promoter.time = answer.time;
        after.promoter.epoch = answer.epoch;
      } else {
        if (answer.decision == FINAL && now.held) after.ledger.number[now.user] = 0;
        forget(after.promoter);
      }
      next.add(after, step(PROMOTE_FIRST, server, answer.decision));
    }
    return;
  }
  if (runs_for(state, now.user)) return;
  State &after = next.add(state, step(PROMOTION_COMMITS, 0, 0));
  forget(after.promoter);
  if (!now.held || is_fenced(state, now.epoch)) return;
  commit_row(after, now.user, now.time);
  after.ledger.number[now.user] = 0;
}

inline void lines(const State &state, Next &next) {
  joins(state, next);
  leaves(state, next);
  promotes(state, next);
  if (any_runs(state)) return;
  State after = state;
  if (!line_ends(after.ledger, next_number(state, state.ledger.definition.version))) return;
  after.known = 0;
  next.add(after, {LINE_ENDS, 0, 0, 0, 0, 0, {}});
}

}  // namespace pipeline
