// A claim at an API process: admitted at the gate, written to the ledger, answered (api/claims.py); and the same
// at the reconciler, which rolls forward (reconciler/reconcile.py).
#pragma once

#include "../explorer.h"
#include "ledger.h"

namespace pipeline {

using Next = Successors<State, Step>;

// The gates that a process may talk to.
inline std::vector<Byte> gates(const State &state) {
  if (scope.servers == 1) return {0};
  if (!state.split) return {state.master};
  return {state.master, static_cast<Byte>(1 - state.master)};
}

class Writing {
 public:
  Writing(const State &state, int who, Next &next) : state(state), who(static_cast<Byte>(who)), next(next) {}

  void steps() {
    const Writer &claim = self(state);
    switch (claim.at) {
      case FREE: forwards() ? see_pending() : claims(); break;
      case SEEN_PENDING: find_row(); break;
      case SEEN_UNWRITTEN: roll_forward(); break;
      case ADMITTED: send(); break;
      case AGAIN: again(); break;
      case GIVING_BACK: give_back(); break;
      default: break;
    }
    if (claim.insert == SENT) sent();
    if (claim.insert == RUNNING) running();
    if (claim.insert && state.left.lost) leave();
    if (claim.at != FREE && state.left.crashes) crash();
  }

 private:
  const State &state;
  const Byte who;
  Next &next;

  bool forwards() const { return who == WRITERS; }
  const Writer &self(const State &of) const { return forwards() ? of.forward : of.writer[who]; }
  Writer &self(State &of) const { return forwards() ? of.forward : of.writer[who]; }
  Step step(What what) const { return {what, who, self(state).user, 0, 0, 0, {}}; }
  State &add(const Step &step) { return next.add(state, step); }

  // The way on when Postgres has definitely not done it, or a write that was repeated has failed.
  void refused(Writer &claim) const {
    claim.insert = NO_INSERT;
    if (forwards()) forget(claim);
    else claim.at = claim.unknown ? AGAIN : GIVING_BACK;
  }
  // And when nobody knows.
  void unknown(Writer &claim) const {
    claim.insert = NO_INSERT;
    claim.unknown = 1;
    if (forwards()) forget(claim);
    else claim.at = protects(UNKNOWN_KEEPS_ITS_PLACE) ? AGAIN : GIVING_BACK;
  }

  void claims() {
    for (Byte user = 0; user < scope.users; user++) {
      if (state.claims[user] >= scope.claims) continue;
      for (Byte server : gates(state)) {
        State after = state;
        const Admission answer = admit(after, server, user);
        if (answer.decision == BEYOND_SCOPE) continue;
        Step step{CLAIM, who, user, server, answer.decision, 0, {}};
        if (answer.decision != NEW && answer.decision != REPEATED) {
          if (scope.refusals) next.add(after, step);
          continue;
        }
        after.claims[user]++;
        self(next.add(after, step)) = {ADMITTED, user, answer.time, answer.epoch, answer.decision == REPEATED, 0, 0};
        if (answer.decision == NEW && state.known && answer.epoch == state.ledger.epoch &&
            first_in_line(state.ledger) != USERS)
          next.blame("13: somebody else is admitted while users wait");
        step.more = 1;
        next.add(after, step);
        if (!protects(ANSWER_FOLLOWS_COMMIT)) next.list.back().state.told[user] = 1;
      }
    }
  }

  void see_pending() {
    if (!protects(UNWRITTEN_ARE_ROLLED_FORWARD) || is_archived(state.ledger)) return;
    for (Byte server : gates(state))
      for (Byte user = 0; user < scope.users; user++)
        if (is_open(state, server) && state.gate[server].user[user].status == PENDING) {
          State &after = add({SEE_PENDING, who, user, server, 0, 0, {}});
          after.forward.at = SEEN_PENDING;
          after.forward.user = user;
        }
  }
  void find_row() {
    Step found = step(FIND_ROW);
    found.value = state.ledger.row[found.user] != 0;
    State &after = add(found);
    if (found.value) forget(after.forward);
    else after.forward.at = SEEN_UNWRITTEN;
  }
  void roll_forward() {
    for (Byte server : gates(state)) {
      State after = state;
      const Byte user = state.forward.user;
      const Admission answer = admit(after, server, user);
      if (answer.decision == BEYOND_SCOPE) continue;
      Step step{ROLL_FORWARD, who, user, server, answer.decision, 0, {}};
      forget(after.forward);
      if (answer.decision == NEW || answer.decision == REPEATED) {
        step.more = 1;
        next.add(after, step);
        step.more = 0;
        after.forward = {ADMITTED, user, answer.time, answer.epoch, answer.decision == REPEATED, 0, 0};
      }
      next.add(after, step);
    }
  }

  void send() {
    Writer &claim = self(add(step(SEND_WRITE)));
    claim.at = WRITING;
    claim.insert = SENT;
    if (!state.left.refused) return;
    State &after = add(step(NO_CONNECTION));
    after.left.refused--;
    refused(self(after));
  }
  void again() {
    self(add(step(WRITE_AGAIN))).at = ADMITTED;
    forget(self(add(step(GIVE_UP))));
  }

  void sent() {
    const Writer &claim = self(state);
    if (is_fenced(state, claim.epoch)) {
      Writer &after = self(add(step(WRITE_FENCED)));
      after.insert = NO_INSERT;
      if (forwards() || claim.unknown) forget(after);
      else after.at = GIVING_BACK;
    } else if (!runs_for(state, claim.user)) {
      self(add(step(WRITE_RUNS))).insert = RUNNING;
    }
    fails();
  }
  void running() {
    for (Byte lost = 0; lost < (state.left.lost ? 2 : 1); lost++) {
      Step committed = step(WRITE_COMMITS);
      committed.value = lost;
      State &after = add(committed);
      const Writer &claim = self(state);
      commit_row(after, claim.user, claim.time);
      if (lost) {
        after.left.lost--;
        unknown(self(after));
      } else {
        if (!forwards()) after.told[claim.user] = 1;
        forget(self(after));
      }
    }
    fails();
  }
  void fails() {
    if (!state.left.refused) return;
    State &after = add(step(WRITE_FAILS));
    after.left.refused--;
    refused(self(after));
  }
  bool left_alone(State &after) const {
    const Writer &claim = self(state);
    for (int i = 0; i < scope.late; i++)
      if (!after.late[i].insert) {
        after.late[i] = {claim.insert, claim.user, claim.time, claim.epoch};
        return true;
      }
    return false;
  }
  void leave() {
    State after = state;
    if (!left_alone(after)) return;
    after.left.lost--;
    unknown(self(after));
    next.add(after, step(LEAVE_WRITE));
  }
  void crash() {
    State after = state;
    after.left.crashes--;
    Step crashed = step(CRASH);
    if (self(state).insert) {
      if (!left_alone(after)) return;
      crashed.value = 1;
    }
    forget(self(after));
    next.add(after, crashed);
  }

  void give_back() {
    const Writer &claim = self(state);
    // Only the process that admitted it; and the gate sees by the score whether somebody tried again.
    if (!claim.repeated || !protects(REPEATED_KEEPS_ITS_PLACE))
      for (Byte server : gates(state)) {
        Step given = step(COMPENSATE);
        given.server = server;
        State &after = add(given);
        const bool given_back = compensate(after, server, claim);
        forget(self(after));
        // A place of an epoch that is over holds nothing.
        if (!given_back || claim.epoch != state.ledger.epoch) continue;
        if (after.ledger.row[claim.user]) next.blame("6: a place is given back whose row exists");
        if (may_be_written(after, claim.user)) next.blame("6: a place is given back whose row may still be written");
      }
    Step not_done = step(COMPENSATE);
    not_done.value = 1;
    forget(self(add(not_done)));
  }
};

inline void late_inserts(const State &state, Next &next) {
  for (Byte i = 0; i < scope.late; i++) {
    const Late &late = state.late[i];
    if (!late.insert) continue;
    auto add = [&](What what) -> State & { return next.add(state, {what, i, late.user, 0, 0, 0, {}}); };
    if (late.insert == RUNNING) {
      State &after = add(LATE_COMMITS);
      commit_row(after, late.user, late.time);
      forget(after.late[i]);
    } else if (is_fenced(state, late.epoch)) {
      forget(add(LATE_FENCED).late[i]);
    } else if (!runs_for(state, late.user)) {
      add(LATE_RUNS).late[i].insert = RUNNING;
    }
    forget(add(LATE_VANISHES).late[i]);
  }
}

}  // namespace pipeline
