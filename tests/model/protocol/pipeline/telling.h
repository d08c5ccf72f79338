// Steps and states in words, for a counterexample, and as JSON, for the replay on the real servers.
#pragma once

#include <string>

#include "gate.h"

namespace pipeline {

// Names in JSON, in the order of What.
inline const char *const STEP_NAMES[WHATS] = {
    "claim", "see_pending", "find_row", "roll_forward", "send_write", "no_connection", "write_again", "give_up",
    "write_fenced", "write_runs", "write_fails", "write_commits", "leave_write", "compensate", "crash", "late_fenced",
    "late_runs", "late_commits", "late_vanishes", "issue", "see_final", "mark", "mark_lost", "lock_rebuild", "fence",
    "fence_waits", "fence_lost", "begin", "read_ledger", "load", "open", "rebuild_ends", "rebuild_unlocked", "change", "pause",
    "close", "ask_gate", "archive", "forget",
    "see_definition", "define", "define_lost", "flush", "restart", "replicate", "promote", "resync",
    "standby_follows", "fail_over", "lose_events", "emit_again", "back_up", "restore",
    "join", "leave", "line_ends", "hold", "hold_lost", "promote_first", "promotion_commits", "promoter_crashes", "break"};

inline const char *const DECISIONS[] = {"closed", "refused", "final", "admitted", "admitted before", ""};
inline const char *const STATES[] = {"", " paused", " closed", " archived"};
inline const char *const STATUSES[] = {"nobody", "pending", "issued", "rejected"};

inline std::string sentence(const Step &step) {
  const std::string user = "user " + std::to_string(step.user), value = std::to_string(step.value);
  const std::string gate = scope.servers == 1 ? "the gate" : "gate " + std::to_string(step.server);
  const std::string writer = step.who == WRITERS ? "the reconciler" : "API process " + std::to_string(step.who);
  const std::string rebuild = "the rebuild" + std::string(scope.rebuilders > 1 ? " " + std::to_string(step.who) : "");
  const std::string worked = step.value ? "" : ": void";
  const std::string lost = step.more ? ", and the answer is lost" : "";
  switch (step.what) {
    case CLAIM: return writer + " claims for " + user + " at " + gate + ": " + DECISIONS[step.value] + lost;
    case SEE_PENDING: return "the reconciler sees that " + user + " is pending at " + gate;
    case FIND_ROW: return "the reconciler finds " + std::string(step.value ? "the" : "no") + " row of " + user;
    case ROLL_FORWARD: return "the reconciler claims for " + user + " at " + gate + ": " + DECISIONS[step.value] + lost;
    case SEND_WRITE: return writer + " sends the INSERT for " + user;
    case NO_CONNECTION: return writer + " gets no connection to Postgres to write for " + user;
    case WRITE_AGAIN: return writer + " writes again for " + user;
    case GIVE_UP: return writer + " gives up on " + user + ": 503, outcome unknown";
    case WRITE_FENCED: return "Postgres does not write for " + user + ": another epoch; " + writer + " is told";
    case WRITE_RUNS: return "Postgres runs the INSERT of " + writer + " for " + user;
    case WRITE_FAILS: return "Postgres answers " + writer + " with an error: nothing written for " + user;
    case WRITE_COMMITS:
      return "Postgres commits the row of " + user + ", " +
             (step.value ? "and the answer to " + writer + " is lost" : writer + " is told");
    case LEAVE_WRITE: return writer + " loses its connection while the INSERT for " + user + " goes on";
    case COMPENSATE:
      return step.value ? writer + " does not give the place of " + user + " back"
                        : writer + " compensates " + user + " at " + gate;
    case CRASH: return writer + " crashes" + (step.value ? "; the INSERT for " + user + " goes on" : "");
    case LATE_FENCED: return "Postgres does not run the late INSERT for " + user + ": another epoch";
    case LATE_RUNS: return "Postgres runs the late INSERT for " + user;
    case LATE_COMMITS: return "Postgres commits the late INSERT for " + user;
    case LATE_VANISHES: return "the late INSERT for " + user + " comes to nothing";
    case ISSUE: {
      std::string text = "the consumer issues the events of";
      for (int of = 0; of < scope.users; of++)
        if (step.batch[of]) text += " user " + std::to_string(of) + " (time " + std::to_string(step.batch[of]) + ")";
      return text + " and commits";
    }
    case SEE_FINAL: return "the reconciler finds the outcome of " + user;
    case MARK: return "marks are made at " + gate;
    case MARK_LOST: return "the process ends before it makes its marks";
    case LOCK_REBUILD: return rebuild + " takes its lock and reads the epoch of " + gate;
    case FENCE: return rebuild + " fences: begin_gate_epoch";
    case FENCE_WAITS: return rebuild + " cannot fence yet: an INSERT runs";
    case FENCE_LOST: return rebuild + " fences, and does not hear it";
    case BEGIN: return rebuild + ": begin.lua at " + gate + worked;
    case READ_LEDGER: return rebuild + " reads the ledger";
    case LOAD: return rebuild + ": load.lua at " + gate + worked;
    case OPEN: return rebuild + ": open.lua at " + gate + worked;
    case REBUILD_ENDS: return rebuild + " ends in the middle";
    case REBUILD_UNLOCKED: return rebuild + " loses its session, and goes on";
    case CHANGE: return "the total becomes " + value + (step.more ? "; the gate is not told" : "");
    case PAUSE: return std::string(step.value ? "paused" : "opened again") + (step.more ? "; the gate is not told" : "");
    case CLOSE: return "closed" + std::string(step.more ? "; the gate is not told" : "");
    case ASK_GATE: return "who archives asks " + gate + ": it has the closing, and nothing is pending";
    case ARCHIVE: return "archived" + std::string(step.more ? "; the gate is not told" : "");
    case FORGET: return "the reconciler removes the coupon from " + gate;
    case SEE_DEFINITION: return "the reconciler sees that " + gate + " has an older definition";
    case DEFINE: return "define.lua at " + gate;
    case DEFINE_LOST: return "the definition does not reach the gate";
    case FLUSH: return "FLUSHALL at " + gate;
    case RESTART:
      return gate + " restarts with epoch " + value + " of its file" + (step.more ? ", and nobody in it" : "");
    case REPLICATE: return gate + " has everything of the master";
    case PROMOTE: return gate + " becomes the master; clients may still talk to the other";
    case RESYNC: return gate + " becomes a replica again: the same process, the master's data";
    case STANDBY_FOLLOWS: return "the standby of Postgres has everything";
    case FAIL_OVER: return "Postgres fails over";
    case LOSE_EVENTS: return "the slot is lost, and with it what was not consumed";
    case EMIT_AGAIN: return "coupon connector recover: what is not final is written to the WAL again";
    case BACK_UP: return "the ledger is backed up";
    case RESTORE:
      return std::string("the ledger is restored, after-restore is run") +
             (step.value ? "; what was not consumed was not in the log yet" : "");
    case JOIN: return user + " joins the line" + (step.more ? "; the gate is not told" : "");
    case LEAVE: return user + " leaves the line";
    case LINE_ENDS: return "nobody waits any more: the line ends";
    case HOLD: return "the reconciler holds the first in line, " + user;
    case HOLD_LOST: return "the reconciler is stopped, and its session ends";
    case PROMOTE_FIRST: return "promote.lua for " + user + " at " + gate + ": " + DECISIONS[step.value];
    case PROMOTION_COMMITS: return "the promotion of " + user + " commits, or is rolled back";
    case PROMOTER_CRASHES: return "the reconciler crashes while it promotes " + user;
    default: return "the unprotected step";
  }
}

// In a random way work goes on more often than it fails, so that the way comes far.
inline double weight(const Step &step) {
  switch (step.what) {
    case CLAIM: return step.value == NEW || step.value == REPEATED ? step.more ? 0.5 : 6 : 0.5;
    case SEND_WRITE: case WRITE_RUNS: case WRITE_COMMITS: case WRITE_AGAIN: case FENCE: case BEGIN: case READ_LEDGER:
    case LOAD: case OPEN: case FENCE_WAITS: return 6;
    case FIND_ROW: case ROLL_FORWARD: case DEFINE: case COMPENSATE: case LATE_RUNS: case LATE_COMMITS:
    case MARK: case LOCK_REBUILD: case ASK_GATE: case ARCHIVE: case FORGET: return 3;
    // With everything that it had: what is loading or open then is not to be trusted.
    case RESTART: return step.value && !step.more ? 12 : 1;
    default: return 1;
  }
}

inline const char *open_loading_stale(const State &state, int server) {
  const Gate &gate = state.gate[server];
  if (!gate.epoch) return "missing";
  if (is_open(state, server)) return "open";
  return !gate.opened_under && gate.begun_under == identity(state, server) ? "loading" : "stale";
}

inline std::string told(const Definition &definition) {
  return "total " + std::to_string(definition.total) + STATES[definition.state] + " version " +
         std::to_string(definition.version);
}

inline std::string picture(const State &state) {
  const Ledger &ledger = state.ledger;
  std::string text = "ledger: epoch " + std::to_string(ledger.epoch) + ", " + told(ledger.definition);
  for (int user = 0; user < scope.users; user++) {
    const char *as = ledger.issued[user] ? " issued" : ledger.rejected[user] ? " rejected" : "";
    if (ledger.row[user]) text += ", row of " + std::to_string(user) + as;
    else if (*as) text += ", no row of " + std::to_string(user) + as;
  }
  for (int server = 0; server < scope.servers; server++) {
    const Gate &gate = state.gate[server];
    text += std::string(" | gate") + (scope.servers == 1 ? "" : server == state.master ? " (master)" : " (other)") +
            ": " + open_loading_stale(state, server) + ", epoch " + std::to_string(gate.epoch) + ", " +
            told(gate.definition);
    for (int user = 0; user < scope.users; user++)
      if (gate.user[user].status) text += ", " + std::to_string(user) + " " + STATUSES[gate.user[user].status];
  }
  return text;
}

inline std::string numbers(const Byte *values, int count) {
  std::string text = "[";
  for (int i = 0; i < count; i++) text += (i ? ", " : "") + std::to_string(values[i]);
  return text + "]";
}

inline std::string json(const Step &step) {
  auto number = [](const char *name, Byte value) { return ", \"" + std::string(name) + "\": " + std::to_string(value); };
  return "{\"what\": \"" + std::string(STEP_NAMES[step.what]) + "\"" + number("who", step.who) +
         number("user", step.user) + number("server", step.server) + number("value", step.value) +
         number("more", step.more) + ", \"batch\": " + numbers(step.batch, scope.users) + "}";
}

inline std::string json(const Definition &definition) {
  const Byte values[] = {definition.version, definition.total, definition.state};
  return numbers(values, 3);
}

inline std::string json(const State &state) {
  const Gate &gate = state.gate[state.master];
  std::string places;
  for (int user = 0; user < scope.users; user++) {
    const Place &place = gate.user[user];
    const Byte values[] = {place.status, place.time, place.retried};
    places += (user ? ", " : "") + numbers(values, 3);
  }
  const Ledger &ledger = state.ledger;
  return "{\"gate\": {\"is\": \"" + std::string(open_loading_stale(state, state.master)) + "\", \"epoch\": " +
         std::to_string(gate.epoch) + ", \"definition\": " + json(gate.definition) + ", \"places\": [" + places +
         "]}, \"ledger\": {\"epoch\": " + std::to_string(ledger.epoch) + ", \"definition\": " +
         json(ledger.definition) + ", \"rows\": " + numbers(ledger.row, scope.users) + ", \"issued\": " +
         numbers(ledger.issued, scope.users) + ", \"rejected\": " + numbers(ledger.rejected, scope.users) + "}}";
}

}  // namespace pipeline
