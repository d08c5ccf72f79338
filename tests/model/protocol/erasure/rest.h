// Once nothing fails any more: nothing names the user but what they have asked for since, and the counts add up.
#pragma once

#include "world.h"

namespace erasure {

inline int count_of(const Gate &gate, Status status) {
  int count = gate.status == status;
  for (Byte of_id : gate.id_status) count += of_id == status;
  return count;
}

inline int rejected_count(const Ledger &ledger) {
  int count = ledger.outcome == REJECTED;
  for (Byte status : ledger.id_status) count += status == REJECTED;
  return count;
}

inline bool equals_ledger(const State &state) {
  const Ledger &ledger = state.ledger;
  const Gate &gate = state.gate;
  const bool is_same = ledger.outcome ? gate.status == ledger.outcome && gate.time == ledger.row : !is_final(gate.status);
  return is_same && !std::memcmp(gate.id_status, ledger.id_status, sizeof gate.id_status);
}

inline const char *work_on(State &state) {
  if (state.late) write(state, state.late, state.late_epoch);
  if (state.writer.at) {
    write(state, state.writer.time, state.writer.epoch);
    if (state.writer.promotes && state.writer.epoch == state.ledger.epoch) state.ledger.in_line = 0;
  }
  state.late = 0;
  state.writer = {};
  settle(state.gate, state.late_mark);
  settle(state.gate, state.consumer.mark);
  state.late_mark = 0;
  state.consumer = {};
  if (!state.gate.is_open) {
    if (state.rebuild.at == NOT_REBUILDING) fence(state);
    if (state.rebuild.at == FENCED) read_ledger(state);
    load_and_open(state);
  }
  for (Byte time = 1; time <= TIMES; time++) {
    if (!(state.due & bit(time))) continue;
    settle(state.gate, issue(state.ledger, time));
    state.due &= static_cast<Byte>(~bit(time));
  }
  if (state.gate.status == PENDING) {
    if (!state.ledger.row) write(state, state.gate.time, state.gate.epoch);
    else if (state.ledger.outcome) settle(state.gate, mark(state.ledger.outcome, state.ledger.row));
  }
  if (const char *what = watch(state)) return what;
  const bool same_counts = count_of(state.gate, ISSUED) == issued_count(state.ledger) &&
                           count_of(state.gate, REJECTED) == rejected_count(state.ledger);
  if (!same_counts || (scope.hourly && !equals_ledger(state))) {  // operations/repair/compare_and_repair.py
    fence(state);
    read_ledger(state);
    load_and_open(state);
  }
  return nullptr;
}

inline const char *unforgotten(const State &state) {
  const Ledger &ledger = state.ledger;
  const Gate &gate = state.gate;
  if (ledger.id_status[IDS - 1]) return nullptr;  // there is no further id in this scope
  const auto asked = [&](Byte time) { return state.asked & bit(time); };
  const bool may_have = ledger.row && asked(ledger.row);
  if (ledger.row && !may_have) return "20: a request names who was erased";
  if (ledger.outcome && !may_have && !asked(ledger.outcome_time)) return "20: an outcome names who was erased";
  if (gate.status && !may_have && !asked(gate.time)) return "20: the gate names who was erased";
  if (gate.in_room && !state.asked_in_room) return "20: who was erased is in the room";
  if (ledger.in_line && !state.asked_in_line) return "20: who was erased is in line";
  return nullptr;
}

inline const char *broken(const State &state) {
  if (state.gate.settled != marks_of(state.gate)) return "21: the gate counts other marks than it has";
  return issued_count(state.ledger) > scope.total ? "2: more is issued than the total" : nullptr;
}

inline const char *restless(State state) {
  state.call = {};
  for (int round = 0; round < 4 * TIMES; round++)
    if (const char *what = work_on(state)) return what;
  if (const char *what = state.erased ? unforgotten(state) : nullptr) return what;
  return equals_ledger(state) || state.ledger.id_status[IDS - 1] ? nullptr : "21: gate and ledger differ, and no repair ends that";
}

}  // namespace erasure
