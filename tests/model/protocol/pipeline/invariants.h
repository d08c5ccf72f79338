// What holds in every state. The numbers are those of tests/model/README.md.
#pragma once

#include "ledger.h"

namespace pipeline {

// An accepted request that is not final: will the consumer read its event?
inline bool is_delivered(const State &state, int user) {
  return state.stream.due[user] >> state.ledger.row[user] & 1;
}

inline const char *broken_by_user(const State &state, int user) {
  const Ledger &ledger = state.ledger;
  if (state.told[user] && !ledger.row[user] && !state.went_back) return "1: answered 202, and there is no row";
  if (ledger.issued[user] && ledger.rejected[user]) return "3: issued and rejected";
  if (ledger.row[user] && !outcome_of(ledger, user) && !is_delivered(state, user) && !state.stream.gap)
    return "5, 11: accepted, not final, and no event of it will be read; nobody names a gap";
  if (state.quit[user] && ledger.row[user]) return "14: who left the line has a request";
  if (is_archived(ledger) && ledger.row[user] && !outcome_of(ledger, user) && !state.went_back)
    return "12: a claim is accepted after the coupon was archived";
  return nullptr;
}

inline const char *broken_at_gate(const State &state, int server, int user) {
  const Gate &gate = state.gate[server];
  const Ledger &ledger = state.ledger;
  if (!gate.epoch) return nullptr;
  const Byte status = gate.user[user].status;
  if (!state.went_back) {
    if (status == ISSUED && !ledger.issued[user]) return "4: the gate says ISSUED, and nothing is issued";
    if (status == REJECTED && !ledger.rejected[user]) return "4: the gate says REJECTED, and nothing is rejected";
  }
  const bool in_use = server == state.master && is_open(state, server) && gate.epoch == ledger.epoch;
  if (in_use && ledger.row[user] && !status)
    return "8: the gate is open in the ledger's epoch and does not know an accepted request";
  return nullptr;
}

inline const char *broken(const State &state) {
  if (state.ledger.twice) return "3: two coupons for one user";
  if (issued_count(state.ledger) > state.ledger.definition.total) return "2: more is issued than the total";
  for (int user = 0; user < scope.users; user++) {
    if (const char *what = broken_by_user(state, user)) return what;
    for (int server = 0; server < scope.servers; server++)
      if (const char *what = broken_at_gate(state, server, user)) return what;
  }
  return nullptr;
}

}  // namespace pipeline
