// The erasure of one user from one coupon: what ledger, gate, stream and processes hold of them. 0 is none everywhere.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "../arguments.h"

namespace erasure {

using Byte = std::uint8_t;

constexpr int TIMES = 4, IDS = 4;  // at most: admissions of the user, ids that replace them

// What an erasure relies on. Each can be taken away, and then something must be found.
enum Protection {
  UNFINISHED_IS_REFUSED,       // check_erasable, replace_user: nothing is erased while a request is not final
  PENDING_IS_REFUSED,          // check_erasable: nor while the gate has a claim that is not written
  UNAVAILABLE_IS_REFUSED,      // check_erasable: nor while the gate cannot say whether it has one
  MARK_IS_AWAITED,             // check_erasable: nor before the gate has the mark
  LINES_ARE_LEFT_FIRST,        // erase_user: no promotion begins any more, and it is checked after that
  REBUILD_IS_EXCLUDED,         // replace_user: none runs, which may have read the user before
  ROOM_IS_LEFT,                // forget_arrivals
  WATCH_ENDS_WHAT_WAS_CUT_OFF, // list_returned: the gate has not forgotten the user
  WATCH_SEES_RETURNED,         // list_returned: a record of Kafka brought an outcome back
  WATCH_SEES_LATE_MARKS,       // end_erasure: the ids are kept as long as a mark may come
  NEW_CLAIMS_STAY,             // list_returned, erase.lua: what the user asked for since is not erased
  COUNTS_FOLLOW,               // erase.lua: where a rebuild has read the new id before, it is not counted twice
  PROTECTIONS
};
inline const char *const PROTECTION_NAMES[PROTECTIONS] = {
    "unfinished-is-refused", "pending-is-refused", "unavailable-is-refused", "mark-is-awaited", "lines-are-left-first", "rebuild-is-excluded",
    "room-is-left", "watch-ends-what-was-cut-off", "watch-sees-returned", "watch-sees-late-marks", "new-claims-stay",
    "counts-follow"};

struct Scope {
  int claims = 2, total = 1;
  // How often each of these may happen.
  int erasures = 1;   // calls
  int crashes = 0;    // of a call, an API process, the consumer
  int restarts = 0;   // of Redis: the gate is unavailable until it is rebuilt
  int rebuilds = 0;   // beside those that are needed
  int rereads = 0;    // of all records that Kafka has
  int late = 0;       // INSERTs and marks that go on by themselves when their process is gone
  int joins = 0;      // of the standby list
  int arrivals = 0;   // in the waiting room
  int hourly = 0;     // 1: at rest gate and ledger are compared, too, where their counts are the same
};
inline Scope scope;  // set once, before the search begins
inline bool taken_away[PROTECTIONS];
inline bool protects(Protection what) { return !taken_away[what]; }

enum Status : Byte { NOBODY, PENDING, ISSUED, REJECTED };

// What the user has in the ledger, and the ids that stand for what they had. Times are those of admissions.
struct Ledger {
  Byte epoch, row, outcome, outcome_time;  // outcome: ISSUED or REJECTED
  Byte id_status[IDS], id_time[IDS];       // each with a request row
  Byte in_line;                            // the user waits in the standby list
};

// erased_request by time: is it watched; the id that replaced it last (+ 1), until no mark can come.
struct Watched { Byte is_erased, replaced_by, at_gate; };

struct Gate {
  Byte epoch, is_open;
  Byte status, time;                  // of the user
  Byte id_status[IDS];
  Byte settled;                       // how many final marks are counted
  Byte in_room;
};

// A claim or promotion at a process. insert: 1 its INSERT may still commit, whoever waits for it.
enum WriterAt : Byte { FREE, ADMITTED };
struct Writer { Byte at, time, epoch, promotes; };

// The consumer. mark: status << 4 | time, of the user; the outcome is committed.
struct Consumer { Byte busy, mark; };

enum CallAt : Byte { NO_CALL, CHECKED, LINES_LEFT, CHECKED_AGAIN, ROOM_LEFT, IN_LEDGER };
// found: the user has a request. asked, line, room: as in State, since this call has checked or left them.
struct Call { Byte at, found, asked, line, room; };

enum RebuildAt : Byte { NOT_REBUILDING, FENCED, READ };
struct Rebuild { Byte at, status, time, id_status[IDS]; };

struct Left { Byte claims, erasures, crashes, restarts, rebuilds, rereads, late, joins, arrivals; };

struct State {
  Ledger ledger;
  Watched watched[TIMES + 1];
  Gate gate;
  Byte log, due;         // bits by time: records that Kafka has, and that the consumer has not handled
  Byte times;            // how many admissions there were
  Byte asked;            // bits by time: the user has asked for it since the erasure began
  Byte asked_in_line, asked_in_room;
  Byte erased;           // somebody has a proof
  Writer writer;
  Byte late, late_epoch; // the time of an INSERT that nobody waits for
  Byte late_mark;        // as Consumer.mark
  Consumer consumer;
  Call call;
  Rebuild rebuild;
  Left left;
};

enum What : Byte {
  CLAIM, WRITE, WRITER_CRASHES, LEAVE_WRITE, LATE_COMMITS, LATE_VANISHES, ROLL_FORWARD,
  CONSUME, MARK, CONSUMER_CRASHES, LEAVE_MARK, LATE_MARK, REREAD,
  JOIN, PROMOTE, ARRIVE,
  CHECK, REFUSED, LEAVE_LINES, CHECK_AGAIN, LEAVE_ROOM, ERASE_IN_LEDGER, ERASE_AT_GATE, CALL_CRASHES,
  WATCH, NO_MARK_COMES,
  RESTART, FENCE, READ_LEDGER, OPEN
};
struct Step { Byte what, value; };

inline bool set(const std::string &argument) {
  const Field fields[] = {
      {"claims", &scope.claims}, {"total", &scope.total}, {"erasures", &scope.erasures}, {"crashes", &scope.crashes},
      {"restarts", &scope.restarts}, {"rebuilds", &scope.rebuilds}, {"rereads", &scope.rereads},
      {"late", &scope.late}, {"joins", &scope.joins}, {"arrivals", &scope.arrivals},
      {"hourly", &scope.hourly}};
  return set_argument(argument, PROTECTION_NAMES, taken_away, fields);
}

}  // namespace erasure
