// How much of the world is looked at in one search, and which protections are taken away in it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "../arguments.h"

namespace pipeline {

using Byte = std::uint8_t;

constexpr int USERS = 3, WRITERS = 2, LATE = 2, CONSUMERS = 2, REBUILDS = 2, SERVERS = 2;  // at most
constexpr int TIMES = 7;  // a user is admitted at most this often, and at most `times`

// What the protocol relies on. Each can be taken away, and then something must be found.
enum Protection {
  GATE_KNOWS_ITS_SERVER,        // admit.lua, read.lua: opened_under is the server's identity
  IDENTITY_HAS_REPLID,          // the identity is run_id and master_replid, not run_id alone
  LOAD_KNOWS_ITS_SERVER,        // load.lua: begun_under is the server's identity
  OPEN_KNOWS_ITS_SERVER,        // open.lua: the same
  OPEN_COUNTS,                  // open.lua: at least as many users are there as were loaded
  EPOCH_FENCES_WRITES,          // accept_requests: a claim of another epoch is not written
  FENCE_WAITS_FOR_WRITES,       // begin_gate_epoch: FOR UPDATE waits for FOR KEY SHARE
  EPOCH_ABOVE_GATES,            // begin_gate_epoch: above the epoch that the gate has
  NUMBERS_NEVER_REPEAT,         // epochs and versions, also after the ledger went back
  AHEAD_IS_REBUILT,             // a gate with a later version than the ledger is rebuilt
  ROWS_FOLLOW_OUTCOMES,         // an outcome without its request row gets the row back
  REPEATED_KEEPS_ITS_PLACE,     // compensate.lua: an odd score stays
  UNKNOWN_KEEPS_ITS_PLACE,      // the API compensates only what was definitely not written
  ADMITTED_BEFORE_CLOSED,       // admit.lua: who is pending is answered also while it is paused
  ANSWER_FOLLOWS_COMMIT,        // 202 after the commit
  MARK_FOLLOWS_COMMIT,          // Redis says ISSUED after the commit
  OFFSETS_FOLLOW_BATCH,         // offsets after issuing and marking
  TOTAL_IS_CHECKED,             // issue_requests: no more than the total
  ISSUED_ONCE,                  // issue_requests: who is final stays as he is
  UNWRITTEN_ARE_ROLLED_FORWARD, // the reconciler writes the rows of admissions that nobody finished
  GAP_IS_NAMED,                 // doctor: a gap in the stream is seen, and `connector recover` follows
  RESTORE_READS_THE_LOG,        // after-restore: requests that only the log has are written again
  RESTORE_DISCARDS_THE_GATE,    // after-restore: the gate is thrown away
  RESTORE_EMITS_AGAIN,          // and what the backup has and is not final comes again
  ARCHIVE_FENCES,               // archiving: claims that were admitted before are not written any more
  ARCHIVE_WAITS_FOR_WRITES,     // and those that are being written are counted
  FORGET_TAKES_THE_LOCK,        // the reconciler removes nothing while a rebuild is under way
  FORGET_LOOKS_AGAIN,           // it removes it again from a server with another identity
  LINE_CLOSES_THE_GATE,         // while somebody waits, admit.lua refuses new claims
  REBUILD_DEFINES_AGAIN,        // what changed meanwhile is defined before the gate is opened
  PROMOTION_HOLDS_THE_ENTRY,    // nobody leaves the line while they are promoted
  PROMOTION_ENDS_IN_TIME,       // promote.lua admits nobody whom the ledger may not hold any more
  LEAVING_ASKS_THE_GATE,        // who was admitted by a promotion that was cut off cannot leave
  PROTECTIONS
};

inline const char *const PROTECTION_NAMES[PROTECTIONS] = {
    "gate-knows-its-server", "identity-has-replid", "load-knows-its-server", "open-knows-its-server",
    "open-counts",     "epoch-fences-writes", "fence-waits-for-writes", "epoch-above-gates", "numbers-never-repeat",
    "ahead-is-rebuilt", "rows-follow-outcomes", "repeated-keeps-its-place", "unknown-keeps-its-place",
    "admitted-before-closed", "answer-follows-commit", "mark-follows-commit", "offsets-follow-batch",
    "total-is-checked", "issued-once", "unwritten-are-rolled-forward", "gap-is-named",
    "restore-reads-the-log", "restore-discards-the-gate", "restore-emits-again", "archive-fences",
    "archive-waits-for-writes", "forget-takes-the-lock", "forget-looks-again",
    "line-closes-the-gate", "rebuild-defines-again", "promotion-holds-the-entry", "promotion-ends-in-time",
    "leaving-asks-the-gate"};

struct Scope {
  int users = 2, claims = 2, times = 3, total = 1, most_total = 2;  // claims: of each user
  int writers = 1, late = 1, consumers = 1, rebuilders = 1, servers = 1, roll_forward = 1;
  // How often each of these may happen.
  int lost = 0;      // answers of Postgres, connections, sessions
  int crashes = 0;   // of an API process, the reconciler, a rebuild
  int refused = 0;   // writes that Postgres definitely refuses
  int redis = 0;     // restarts, flushes; with two servers failovers too
  int failovers = 0; // of Postgres; asynchronous: to a standby that may be behind
  int asynchronous = 0;
  int changes = 0;   // of the total
  int pauses = 0;    // changes of the state
  int archives = 0;  // of the coupon, after it is closed
  int rebuilds = 0;  // beside those at rest
  int gaps = 0;      // in the change stream
  int restores = 0;  // of the ledger from a backup
  int joins = 0;     // of a standby list, by users who claim no more; leaves: of these
  int leaves = 0;
  int refusals = 0;  // 1: what changes nothing is a step too, for the replay
};

inline Scope scope;  // set once, before the search begins
inline bool taken_away[PROTECTIONS];

inline bool protects(Protection what) { return !taken_away[what]; }

// name=value or without=protection. False when there is no such thing.
inline bool set(const std::string &argument) {
  const Field fields[] = {
      {"users", &scope.users}, {"claims", &scope.claims}, {"times", &scope.times}, {"total", &scope.total},
      {"most_total", &scope.most_total}, {"writers", &scope.writers}, {"late", &scope.late},
      {"consumers", &scope.consumers}, {"rebuilders", &scope.rebuilders}, {"servers", &scope.servers},
      {"roll_forward", &scope.roll_forward}, {"lost", &scope.lost},
      {"crashes", &scope.crashes}, {"refused", &scope.refused}, {"redis", &scope.redis},
      {"failovers", &scope.failovers}, {"asynchronous", &scope.asynchronous}, {"changes", &scope.changes},
      {"pauses", &scope.pauses}, {"archives", &scope.archives}, {"rebuilds", &scope.rebuilds}, {"gaps", &scope.gaps},
      {"restores", &scope.restores}, {"joins", &scope.joins}, {"leaves", &scope.leaves}, {"refusals", &scope.refusals}};
  return set_argument(argument, PROTECTION_NAMES, taken_away, fields);
}

}  // namespace pipeline
