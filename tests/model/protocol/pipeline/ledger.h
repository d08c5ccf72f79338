// The statements of sql/queries that the protocol rests on, and the change stream behind them.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "gate.h"

namespace pipeline {

inline int issued_count(const Ledger &ledger) {
  int issued = ledger.twice;
  for (Byte time : ledger.issued) issued += time != 0;
  return issued;
}

inline bool is_archived(const Ledger &ledger) { return ledger.definition.state == ARCHIVED; }

// What the trigger coupon_archive_is_settled counts.
inline bool is_settled(const Ledger &ledger) {
  int rows = 0, outcomes = 0;
  for (int user = 0; user < scope.users; user++) {
    rows += ledger.row[user] != 0;
    outcomes += ledger.issued[user] || ledger.rejected[user];
  }
  return rows <= outcomes;
}

// Requests that are issued or in flight. A lower total must have room for them.
inline int held_count(const Ledger &ledger) {
  int held = 0;
  for (int user = 0; user < scope.users; user++) held += (ledger.row[user] != 0) - (ledger.rejected[user] != 0);
  return held;
}

// hold_first_in_line; USERS: nobody waits.
inline Byte first_in_line(const Ledger &ledger) {
  Byte first = USERS;
  for (Byte user = 0; user < scope.users; user++)
    if (ledger.number[user] && (first == USERS || ledger.number[user] < ledger.number[first])) first = user;
  return first;
}

// What find_requests and stream_requests tell of a user; 0: there is no row.
inline Byte told_of(const Ledger &ledger, int user) {
  if (!ledger.row[user]) return 0;
  return mark(ledger.issued[user] ? ISSUED : ledger.rejected[user] ? REJECTED : PENDING, ledger.row[user]);
}

inline Byte outcome_of(const Ledger &ledger, int user) {
  if (ledger.issued[user]) return mark(ISSUED, ledger.issued[user]);
  return ledger.rejected[user] ? mark(REJECTED, ledger.rejected[user]) : 0;
}

// Calls see(insert, user, epoch) with every INSERT under way, whoever waits for it.
template <class See>
void inserts(const State &state, See see) {
  for (const Writer &writer : state.writer) if (writer.insert) see(writer.insert, writer.user, writer.epoch);
  if (state.forward.insert) see(state.forward.insert, state.forward.user, state.forward.epoch);
  for (const Late &late : state.late) if (late.insert) see(late.insert, late.user, late.epoch);
}

// Holds a key-share lock on the coupon.
inline bool any_runs(const State &state) {
  bool found = state.promoter.held;
  inserts(state, [&](Byte insert, Byte, Byte) { found |= insert == RUNNING; });
  return found;
}

// Holds the primary key of the user's row, so that another INSERT of it waits.
inline bool runs_for(const State &state, int user) {
  bool found = false;
  inserts(state, [&](Byte insert, Byte of, Byte) { found |= insert == RUNNING && of == user; });
  return found;
}

// Whether Postgres may still write a row of the user.
inline bool may_be_written(const State &state, int user) {
  bool found = false;
  inserts(state, [&](Byte insert, Byte of, Byte epoch) {
    found |= of == user && (insert == RUNNING || epoch == state.ledger.epoch);
  });
  return found;
}

inline bool is_fenced(const State &state, Byte epoch) {
  return protects(EPOCH_FENCES_WRITES) && epoch != state.ledger.epoch;
}

inline void emit(State &state, int user, Byte time) {
  state.stream.log[user] |= static_cast<Byte>(1 << time);
  state.stream.due[user] |= static_cast<Byte>(1 << time);
  for (Consumer &consumer : state.consumer) consumer.events &= static_cast<Byte>(~(1 << user));
}

// accept_requests commits: ON CONFLICT DO NOTHING.
inline void commit_row(State &state, int user, Byte time) {
  if (state.ledger.row[user]) return;
  state.ledger.row[user] = time;
  emit(state, user, time);
}

// issue_requests. batch: the time of each user's event, 0 for none. Sets the marks that follow.
inline const char *issue(State &state, const Byte *batch, Byte *marks) {
  Ledger &ledger = state.ledger;
  const char *broken = nullptr;
  std::vector<std::pair<Byte, int>> fresh;
  for (int user = 0; user < scope.users; user++) {
    marks[user] = 0;
    if (!batch[user]) continue;
    const Byte outcome = outcome_of(ledger, user);
    if (outcome && protects(ISSUED_ONCE)) marks[user] = mark(status_of(outcome), batch[user]);
    else fresh.push_back({batch[user], user});
  }
  std::sort(fresh.begin(), fresh.end());
  int left = ledger.definition.total - issued_count(ledger);
  for (const auto &[time, user] : fresh) {
    const bool fits = left-- > 0 || !protects(TOTAL_IS_CHECKED);
    if (fits && ledger.issued[user]) ledger.twice = 1;
    (fits ? ledger.issued : ledger.rejected)[user] = time;
    marks[user] = mark(fits ? ISSUED : REJECTED, time);
    if (!fits && !state.lowered) broken = "8: an admitted claim is REJECTED although the total was never lowered";
  }
  return broken;
}

constexpr int CLOCK = 32;  // how far the clock goes between two numbers

// A number that was never given out: the greatest so far and one, or the server's clock. Only a standby that was
// behind could give one out again: the clock keeps it from that, and may still be behind the lost numbers.
inline Byte next_number(const State &state, Byte now) {
  const bool by_clock = scope.asynchronous && protects(NUMBERS_NEVER_REPEAT) && !state.went_back;
  return static_cast<Byte>(now + (by_clock ? CLOCK : 1));
}

// begin_gate_epoch. above: the epoch that the gate has.
inline void fence(State &state, Byte above) {
  const Byte now = protects(EPOCH_ABOVE_GATES) ? std::max(state.ledger.epoch, above) : state.ledger.epoch;
  state.ledger.epoch = next_number(state, now);
}

// In a rebuild and in a comparison: an outcome whose request row was lost gets it back.
inline void rows_follow_outcomes(State &state) {
  if (!protects(ROWS_FOLLOW_OUTCOMES)) return;
  for (int user = 0; user < scope.users; user++)
    if (const Byte outcome = outcome_of(state.ledger, user)) commit_row(state, user, time_of(outcome));
}

// connector recover --emit: what is not final is written to the WAL again.
inline void emit_again(State &state) {
  for (int user = 0; user < scope.users; user++)
    if (state.ledger.row[user] && !outcome_of(state.ledger, user)) emit(state, user, state.ledger.row[user]);
  state.stream.gap = 0;
}

}  // namespace pipeline
