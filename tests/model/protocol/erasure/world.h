// What the user, the API, the consumer, the reconciler and an erasure do, and how each may be cut off.
#pragma once

#include "../explorer.h"
#include "gate.h"

namespace erasure {

using Next = Successors<State, Step>;

inline void note_asked(State &state, Byte time) {
  state.asked |= bit(time);
  state.call.asked |= bit(time);
}

inline void claims(const State &state, Next &next) {
  const bool is_free = state.writer.at == FREE && state.gate.is_open && state.times < TIMES;
  if (is_free && state.left.claims && !state.ledger.in_line && !state.gate.status && has_stock(state.gate)) {
    State &after = next.add(state, {CLAIM, 0});
    after.left.claims--;
    after.times++;
    after.gate.status = PENDING;
    after.gate.time = after.times;
    after.writer = {ADMITTED, after.times, state.gate.epoch, 0};
    note_asked(after, after.times);
  }
  if (state.left.joins && !state.ledger.in_line && !state.ledger.row && !state.gate.status) {
    State &after = next.add(state, {JOIN, 0});
    after.left.joins--;
    after.ledger.in_line = after.asked_in_line = after.call.line = 1;
  }
  if (is_free && state.ledger.in_line && !state.gate.status && has_stock(state.gate)) {
    State &after = next.add(state, {PROMOTE, 0});
    after.times++;
    after.gate.status = PENDING;
    after.gate.time = after.times;
    after.writer = {ADMITTED, after.times, state.gate.epoch, 1};
    if (state.asked_in_line) after.asked |= bit(after.times);
    if (state.call.line) after.call.asked |= bit(after.times);
  }
  if (!state.left.arrivals || !state.gate.epoch) return;
  State &after = next.add(state, {ARRIVE, 0});
  after.left.arrivals--;
  after.gate.in_room = after.asked_in_room = after.call.room = 1;
}

inline void writes(const State &state, Next &next) {
  const Writer &writer = state.writer;
  if (state.late) {
    State &after = next.add(state, {LATE_COMMITS, 0});
    write(after, state.late, state.late_epoch);
    after.late = after.late_epoch = 0;
  }
  if (writer.at == FREE) {
    // roll_forward: nobody writes it any more; the ledger has no row of it, or has its outcome.
    const bool is_in_use = state.gate.is_open && state.gate.epoch == state.ledger.epoch;
    if (!is_in_use || state.gate.status != PENDING) return;
    if (state.ledger.row && !state.ledger.outcome) return;
    State &after = next.add(state, {ROLL_FORWARD, 0});
    if (state.ledger.outcome && state.ledger.row) settle(after.gate, mark(state.ledger.outcome, state.ledger.row));
    else write(after, state.gate.time, state.gate.epoch);
    return;
  }
  State &after = next.add(state, {WRITE, 0});
  write(after, writer.time, writer.epoch);
  if (writer.promotes && writer.epoch == state.ledger.epoch) after.ledger.in_line = 0;
  after.writer = {};
  if (state.left.crashes) {
    State &crashed = next.add(state, {WRITER_CRASHES, 0});
    crashed.left.crashes--;
    crashed.writer = {};
  }
  if (!state.left.late || state.late || writer.promotes) return;
  State &left = next.add(state, {LEAVE_WRITE, 0});
  left.left.late--;
  left.late = writer.time;
  left.late_epoch = writer.epoch;
  left.writer = {};
}

inline void consumes(const State &state, Next &next) {
  if (state.late_mark) {
    State &after = next.add(state, {LATE_MARK, 0});
    settle(after.gate, state.late_mark);
    after.late_mark = 0;
  }
  if (state.left.rereads && (state.log & ~state.due)) {
    State &after = next.add(state, {REREAD, 0});
    after.left.rereads--;
    after.due = after.log;
  }
  if (!state.consumer.busy) {
    for (Byte time = 1; time <= TIMES; time++) {
      if (!(state.due & bit(time))) continue;
      State &after = next.add(state, {CONSUME, time});
      after.consumer = {1, issue(after.ledger, time)};
      after.due &= static_cast<Byte>(~bit(time));
    }
    return;
  }
  State &after = next.add(state, {MARK, 0});
  settle(after.gate, state.consumer.mark);
  after.consumer = {};
  const auto stops = [&](What what) -> State & {
    State &stopped = next.add(state, {what, 0});
    stopped.due |= bit(state.consumer.mark & 15);
    stopped.consumer = {};
    return stopped;
  };
  if (state.left.crashes) stops(CONSUMER_CRASHES).left.crashes--;
  if (!state.left.late || state.late_mark) return;
  State &left = stops(LEAVE_MARK);
  left.left.late--;
  left.late_mark = state.consumer.mark;
}

// check_erasable. False: UserInFlight.
inline bool check(State &state) {
  const Ledger &ledger = state.ledger;
  state.call.found = ledger.row || ledger.outcome;
  if (state.call.found) {
    if (!ledger.outcome && protects(UNFINISHED_IS_REFUSED)) return false;
    return !ledger.outcome || is_marked(state);
  }
  if (!state.gate.is_open) return !protects(UNAVAILABLE_IS_REFUSED);
  return state.gate.status != PENDING || !protects(PENDING_IS_REFUSED);
}

inline void refuse(const State &state, Next &next) { next.add(state, {REFUSED, 0}).call = {}; }

inline void erases(const State &state, Next &next) {
  State after = state;
  Call &call = after.call;
  const bool is_held = state.writer.promotes;  // the promotion holds the entry
  switch (state.call.at) {
    case NO_CALL:
      if (!state.left.erasures) return;
      after.left.erasures--;
      if (!check(after)) return;
      call.asked = call.line = call.room = 0;
      call.at = protects(LINES_ARE_LEFT_FIRST) ? CHECKED : CHECKED_AGAIN;
      next.add(after, {CHECK, 0});
      break;
    case CHECKED:
      if (is_held) return;
      after.ledger.in_line = call.line = 0;
      call.at = LINES_LEFT;
      next.add(after, {LEAVE_LINES, 0});
      break;
    case LINES_LEFT:
      if (!check(after)) return refuse(state, next);
      call.at = CHECKED_AGAIN;
      call.asked = 0;
      next.add(after, {CHECK_AGAIN, 0});
      break;
    case CHECKED_AGAIN:
      if (protects(ROOM_IS_LEFT)) after.gate.in_room = 0;
      call.room = 0;
      call.at = ROOM_LEFT;
      next.add(after, {LEAVE_ROOM, 0});
      break;
    case ROOM_LEFT:
      if (is_held) return;
      if (call.found && !replace(after)) return refuse(state, next);
      after.ledger.in_line = 0;
      after.erased = 1;
      after.asked = call.asked;
      after.asked_in_line = call.line;
      after.asked_in_room = call.room;
      call.at = IN_LEDGER;
      next.add(after, {ERASE_IN_LEDGER, 0});
      break;
    default:
      erase_at_gate(after);
      call = {};
      next.add(after, {ERASE_AT_GATE, 0});
  }
  if (!state.call.at || !state.left.crashes) return;
  State &crashed = next.add(state, {CALL_CRASHES, 0});
  crashed.left.crashes--;
  crashed.call = {};
}

// A mark that was decided before may come for so long (LATE_MARK_SECONDS).
inline bool may_come(const State &state, Byte time) {
  return (state.consumer.busy && (state.consumer.mark & 15) == time) || (state.late_mark && (state.late_mark & 15) == time);
}

inline void reconciles(const State &state, Next &next) {
  State after = state;
  const char *broken = watch(after);
  if (std::memcmp(&after, &state, sizeof after)) {
    next.add(after, {WATCH, 0});
    if (broken) next.blame(broken);
  }
  for (Byte time = 1; time <= TIMES; time++) {
    if (!state.watched[time].at_gate || !state.watched[time].replaced_by) continue;
    if (may_come(state, time) && protects(WATCH_SEES_LATE_MARKS)) continue;
    State &last = next.add(state, {NO_MARK_COMES, time});
    erase_at_gate(last);
    last.watched[time].replaced_by = 0;
  }
  if (state.rebuild.at == NOT_REBUILDING) {
    if (state.left.restarts && state.gate.is_open) {
      State &restarted = next.add(state, {RESTART, 0});
      restarted.left.restarts--;
      restarted.gate.is_open = 0;
    }
    if (state.gate.is_open && !state.left.rebuilds) return;
    State &fenced = next.add(state, {FENCE, 0});
    if (state.gate.is_open) fenced.left.rebuilds--;
    fence(fenced);
  } else if (state.rebuild.at == FENCED) {
    read_ledger(next.add(state, {READ_LEDGER, 0}));
  } else {
    load_and_open(next.add(state, {OPEN, 0}));
  }
}

}  // namespace erasure
