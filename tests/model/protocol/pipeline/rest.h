// Lets everything come to rest: no further fault, every process does its work. Then gate and ledger must be equal,
// everything accepted final, and whoever claims must be served. From every state, in eight ways.
#pragma once

#include <string>

#include "rebuilding.h"
#include "consuming.h"
#include "invariants.h"
#include "waiting.h"

namespace pipeline {

class Rest {
 public:
  // Bits of way: 1 late INSERTs vanish, 2 rebuilds under way end, 4 the reconciler comes first.
  static constexpr int WAYS = 8;

  Rest(const State &from, int way, std::vector<std::string> *story) : state(from), way(way), story(story) {}

  const char *wrong() {
    if (!comes_to_rest()) return "10: the reconciler repairs for ever";
    if (trouble) return trouble;
    if (const char *what = broken(state)) return what;
    if (const char *what = differs()) return what;
    return claims_are_served();
  }

 private:
  State state;
  const int way;
  std::vector<std::string> *story;
  const char *trouble = nullptr;

  Gate &gate() { return state.gate[state.master]; }
  void say(const std::string &line) { if (story) story->push_back(line); }
  void say(const char *what, int user) { if (story) story->push_back(what + std::to_string(user)); }

  bool comes_to_rest() {
    late();
    if (way & 4) {
      forget(state.rebuild);
      resync();
      for (Writer &writer : state.writer) if (writer.insert == RUNNING) finish(writer);
      if (state.forward.insert == RUNNING) finish(state.forward);
      pass();
    }
    for (Writer &writer : state.writer) finish(writer);
    finish(state.forward);
    finish(state.promoter);
    for (Rebuild &rebuild : state.rebuild) finish(rebuild);
    for (Consumer &consumer : state.consumer) finish(consumer);
    define(gate(), state.on_its_way);
    state.on_its_way = {};
    resync();
    if (state.stream.gap) emit_again(state);
    for (int passes = 0; passes < 10; passes++) {
      deliver();
      if (!pass() && passes) return true;
    }
    return false;
  }

  void late() {
    for (Late &late : state.late) {
      const Late was = late;
      forget(late);
      if (was.insert && !(way & 1) && (was.insert == RUNNING || !is_fenced(state, was.epoch)))
        commit_row(state, was.user, was.time);
    }
  }
  void resync() {
    if (!state.split) return;
    state.split = 0;
    state.gate[1 - state.master] = gate();
    state.replid[1 - state.master] = state.replid[state.master];
  }
  void finish(Writer &writer) {
    const Writer was = writer;
    forget(writer);
    if (was.at == FREE || was.at == SEEN_PENDING || was.at == SEEN_UNWRITTEN) return;
    if (was.at == GIVING_BACK) return give_back(was);
    if (was.insert == RUNNING || !is_fenced(state, was.epoch)) return commit_row(state, was.user, was.time);
    const bool forwards = &writer == &state.forward;
    if (!forwards && !was.unknown) give_back(was);
  }
  void finish(Promoter &promoter) {
    const Promoter was = promoter;
    forget(promoter);
    if (was.at != PROMOTED_AT_GATE || !was.held || is_fenced(state, was.epoch)) return;
    commit_row(state, was.user, was.time);
    state.ledger.number[was.user] = 0;
  }
  void give_back(const Writer &claim) {
    if (claim.repeated && protects(REPEATED_KEEPS_ITS_PLACE)) return;
    if (compensate(state, state.master, claim) && claim.epoch == state.ledger.epoch && state.ledger.row[claim.user])
      trouble = "6: a place is given back whose row exists";
  }
  void finish(Rebuild &rebuild) {
    Rebuild was = rebuild;
    forget(rebuild);
    if (!was.at || way & 2) return;
    if (was.at == LOCKED) return fence_and_rebuild();
    if (was.at == FENCED && !begin(state, state.master, was.epoch, was.definition)) return;
    if (was.at <= BEGUN) read_ledger(state, was.seen);
    if (was.at <= READ) {
      was.loaded = static_cast<Byte>(loaded(was.seen));
      if (was.loaded && !load(state, state.master, was.epoch, was.seen)) return;
    }
    open(state, state.master, was.epoch, was.loaded);
  }
  void finish(Consumer &consumer) {
    for (int user = 0; user < scope.users; user++) settle(gate(), user, consumer.mark[user]);
    offsets_committed(state, consumer);
    forget(consumer);
  }

  void deliver() {
    for (int user = 0; user < scope.users; user++)
      for (Byte time = 1; time <= TIMES; time++) {
        if (!(state.stream.due[user] >> time & 1)) continue;
        Byte batch[USERS] = {};
        Consumer consumer{1, ALL_USERS, {}};
        batch[user] = time;
        if (const char *what = issue(state, batch, consumer.mark)) trouble = what;
        finish(consumer);
        say("the consumer has handled the event of user ", user);
      }
  }

  void fence_and_rebuild() {
    fence(state, gate().epoch);
    const Byte epoch = state.ledger.epoch;
    say("rebuilt in epoch " + std::to_string(epoch));
    if (!begin(state, state.master, epoch, state.ledger.definition)) return;
    Byte seen[USERS] = {};
    read_ledger(state, seen);
    load(state, state.master, epoch, seen);
    open(state, state.master, epoch, loaded(seen));
  }

  // A pass of the reconciler and a full comparison. False when there was nothing to do.
  bool pass() {
    if (is_archived(state.ledger)) return forget_archived();
    const State before = state;
    const Byte version = gate().definition.version;
    const bool ahead = version > state.ledger.definition.version && protects(AHEAD_IS_REBUILT);
    if (!is_open(state, state.master) || gate().epoch != state.ledger.epoch || ahead) {
      fence_and_rebuild();
      return true;
    }
    define(gate(), state.ledger.definition);
    serve_line();
    for (int user = 0; user < scope.users; user++) look_at_pending(user);
    bool differs = false;
    for (int user = 0; user < scope.users; user++) differs |= needs_rebuild(user);
    if (differs || counts_are_wrong()) fence_and_rebuild();
    return !same(before, state);
  }
  void serve_line() {
    const Definition &definition = state.ledger.definition;
    for (Byte user; definition.line && definition.state == OPENED && (user = first_in_line(state.ledger)) != USERS;) {
      const Admission answer = promote(state, state.master, {HOLDING, user, 1, definition.total, 0, 0});
      const bool admitted = answer.decision == NEW || answer.decision == REPEATED;
      if (answer.decision != FINAL && !admitted) break;
      if (admitted) commit_row(state, user, answer.time);
      state.ledger.number[user] = 0;
      say("promoted user ", user);
    }
    if (line_ends(state.ledger, next_number(state, definition.version))) define(gate(), definition);
  }
  bool forget_archived() {
    if (!has_to_look(state, state.master)) return false;
    forget(gate());
    state.looked = identity(state, state.master);
    say("the gate has forgotten the coupon");
    return true;
  }
  void look_at_pending(int user) {
    if (gate().user[user].status != PENDING) return;
    const Byte told = told_of(state.ledger, user);
    if (status_of(told) >= ISSUED) settle(gate(), user, told);
    if (told || !protects(UNWRITTEN_ARE_ROLLED_FORWARD)) return;
    const Admission answer = admit(state, state.master, user);
    if (answer.decision != REPEATED || is_fenced(state, answer.epoch)) return;
    commit_row(state, user, answer.time);
    say("rolled forward user ", user);
  }
  // operations/verify/mismatch.py; marks that are missing are made.
  bool needs_rebuild(int user) {
    const Byte at_gate = mark_of(gate().user[user]);
    if (status_of(at_gate) >= ISSUED && !state.ledger.row[user]) {
      const Byte outcome = outcome_of(state.ledger, user);
      if (outcome && protects(ROWS_FOLLOW_OUTCOMES)) commit_row(state, user, time_of(outcome));
    }
    const Byte told = told_of(state.ledger, user);
    if (status_of(at_gate) >= ISSUED) {
      if (at_gate != told) say("ghost, or another outcome, of user ", user);
      return at_gate != told;
    }
    if (status_of(told) >= ISSUED) {
      settle(gate(), user, told);
      return false;
    }
    if (told && !at_gate) say("forgotten user ", user);
    return told && at_gate != told;
  }
  bool counts_are_wrong() {
    int issued = 0, rejected = 0;
    for (Byte time : state.ledger.issued) issued += time != 0;
    for (Byte time : state.ledger.rejected) rejected += time != 0;
    return count(gate(), ISSUED) != issued || count(gate(), REJECTED) != rejected;
  }

  const char *differs() {
    const Definition &at_gate = gate().definition, &definition = state.ledger.definition;
    const bool archived = definition.state == ARCHIVED;
    if (archived && gate().epoch) return "12: the gate keeps an archived coupon for ever";
    if (!archived && (at_gate.total != definition.total || at_gate.state != definition.state || at_gate.line != definition.line))
      return "10: gate and ledger have another total, state or line for ever";
    if (definition.state == OPENED && first_in_line(state.ledger) != USERS && issued_count(state.ledger) < definition.total)
      return "13: somebody waits for ever, though places are free";
    for (int user = 0; user < scope.users; user++) {
      const Byte told = told_of(state.ledger, user);
      if (status_of(told) == PENDING) return "7: accepted, and never final";
      if (!archived && mark_of(gate().user[user]) != told) return "10: the gate differs from the ledger for ever";
    }
    return nullptr;
  }
  const char *claims_are_served() {
    for (int user = 0; user < scope.users; user++) {
      if (state.ledger.issued[user] || state.ledger.rejected[user]) continue;
      forget(state.times);
      const bool room = issued_count(state.ledger) < state.ledger.definition.total && state.ledger.definition.state == OPENED;
      const Admission answer = admit(state, state.master, user);
      if (!room && answer.decision == NEW) return "2, 8: admitted beyond the total, or while paused";
      if (!room) continue;
      if (answer.decision == REFUSED) return "10: refused for ever, though places are free";
      if (answer.decision != NEW) return "10: neither issued nor able to claim";
      commit_row(state, user, answer.time);
      deliver();
      if (!state.ledger.issued[user]) return "8: claimed at rest, admitted, and not issued";
    }
    return nullptr;
  }
};

}  // namespace pipeline
