// Everything that the processes and servers hold, of one coupon. Bytes alone: 0 is none everywhere.
#pragma once

#include "scope.h"

namespace pipeline {

enum Status : Byte { NOBODY, PENDING, ISSUED, REJECTED };

enum Administered : Byte { OPENED, PAUSED, ENDED, ARCHIVED };  // ENDED is closed, for good

// line: users wait for places that come back, and the gate admits nobody else.
struct Definition { Byte version, total, state, line; };

// What the gate holds of a user. time: when he was admitted, 1 .. TIMES. retried: the odd score.
struct Place { Byte status, time, retried; };

struct Gate {
  Byte epoch, opened_under, begun_under;  // epoch 0: the gate does not have the coupon
  Definition definition;
  Place user[USERS];
};

// Times of the rows, by user.
struct Ledger {
  Byte epoch;
  Definition definition;
  Byte row[USERS], issued[USERS], rejected[USERS], twice;  // twice: somebody has two coupons
  Byte number[USERS];  // in the line; 0: does not wait
};

// The change stream. Bit t of a user: the event of the row with time t.
struct Stream {
  Byte log[USERS];  // is there and may be read again
  Byte due[USERS];  // is not below the committed offset
  Byte gap;         // events are lost, and doctor or verify says so
};

// An INSERT under way at Postgres: not there yet, or holding its locks and not committed.
enum Insert : Byte { NO_INSERT, SENT, RUNNING };

// A claim at an API process, or at the reconciler, which rolls forward.
enum WriterAt : Byte { FREE, ADMITTED, WRITING, AGAIN, GIVING_BACK, SEEN_PENDING, SEEN_UNWRITTEN };
struct Writer { Byte at, user, time, epoch, repeated, unknown, insert; };

// An INSERT that nobody waits for any more.
struct Late { Byte insert, user, time, epoch; };

// marks: status << 4 | time, by user. events: users (bits) whose marks are of change events, which are not due any
// more once offsets are committed; an event that was written again meanwhile has another offset, and stays due.
struct Consumer { Byte busy, events, mark[USERS]; };

enum RebuildAt : Byte { NOT_BEGUN, LOCKED, FENCED, BEGUN, READ, LOADED };
struct Rebuild {
  Byte at, locked, above, epoch, loaded;
  Definition definition;
  Byte seen[USERS];  // as marks
};

// The reconciler promotes the first in line (operations/repair/promotion.py). held: its session holds the entry and
// the coupon's row.
enum PromoterAt : Byte { NOT_PROMOTING, HOLDING, PROMOTED_AT_GATE };
struct Promoter { Byte at, user, held, total, time, epoch; };

struct Left { Byte lost, crashes, refused, redis, failovers, changes, pauses, archives, rebuilds, gaps, restores, joins, leaves; };

struct State {
  Ledger ledger, standby, backup;
  Gate gate[SERVERS];
  Byte life[SERVERS], replid[SERVERS], replids;  // replids: how many were made
  Byte master, split;                            // split: clients may still talk to the old master
  Stream stream;
  Byte times[USERS], claims[USERS], told[USERS];  // told: 202
  Writer writer[WRITERS], forward;                // forward: the reconciler's
  Late late[LATE];
  Consumer consumer[CONSUMERS];
  Rebuild rebuild[REBUILDS];
  Promoter promoter;
  Byte quit[USERS];       // left the line
  Byte began, known;      // the line that there is now: its first version; the gate had it
  Definition on_its_way;  // to the gate
  Byte asked;             // the gate has the closing, and nothing is pending there: the coupon may be archived
  Byte looked;            // the identity of the server from which the reconciler has removed it
  Byte lowered, went_back;  // the total was lowered; the ledger lost something that was committed
  Left left;
};

// The steps. Numbers in a Step: who is which writer (WRITERS: the reconciler), consumer or rebuild;
// value and more are said at each.
enum What : Byte {
  CLAIM,             // value: Decision, more: 1 the answer is lost
  SEE_PENDING, FIND_ROW,                    // the reconciler; value: 1 there is a row
  ROLL_FORWARD,      // value: Decision, more: 1 the answer is lost
  SEND_WRITE,
  NO_CONNECTION,     // definitely not written
  WRITE_AGAIN, GIVE_UP,
  WRITE_FENCED,      // another epoch: nothing written
  WRITE_RUNS, WRITE_FAILS, WRITE_COMMITS,  // commits; value: 1 the answer is lost
  LEAVE_WRITE,       // the connection is lost, the INSERT goes on by itself
  COMPENSATE,        // value: 1 not done
  CRASH,             // value: 1 the INSERT goes on by itself
  LATE_FENCED, LATE_RUNS, LATE_COMMITS, LATE_VANISHES,
  ISSUE,             // batch: the time of each user's event
  SEE_FINAL,         // the reconciler finds an outcome of somebody pending
  MARK, MARK_LOST,
  LOCK_REBUILD, FENCE, FENCE_WAITS, FENCE_LOST, BEGIN, READ_LEDGER, LOAD, OPEN,  // value: 1 it worked
  REBUILD_ENDS, REBUILD_UNLOCKED,
  CHANGE,            // value: total, more: 1 the gate is not told
  PAUSE,             // value: paused, more: 1 the gate is not told
  CLOSE,             // more: 1 the gate is not told
  ASK_GATE, ARCHIVE, // more: 1 the gate is not told
  FORGET,
  SEE_DEFINITION, DEFINE, DEFINE_LOST,
  FLUSH, RESTART,    // value: the epoch that the file has, more: 1 what was written in it is gone
  REPLICATE, PROMOTE, RESYNC,
  STANDBY_FOLLOWS, FAIL_OVER,
  LOSE_EVENTS, EMIT_AGAIN,
  BACK_UP, RESTORE,  // value: 1 what was not consumed was not in the log yet
  JOIN,              // more: 1 the gate is not told
  LEAVE, LINE_ENDS,
  HOLD, HOLD_LOST, PROMOTE_FIRST, PROMOTION_COMMITS, PROMOTER_CRASHES,  // PROMOTE_FIRST: value: Decision
  BREAK,             // only where a protection is taken away
  WHATS
};
enum Decision : Byte { CLOSED, REFUSED, FINAL, NEW, REPEATED, BEYOND_SCOPE };

struct Step { Byte what, who, user, server, value, more, batch[USERS]; };

inline Byte mark(Byte status, Byte time) { return static_cast<Byte>(status << 4 | time); }
inline Byte status_of(Byte mark) { return mark >> 4; }
inline Byte time_of(Byte mark) { return mark & 15; }
inline Byte mark_of(const Place &place) { return place.status ? mark(place.status, place.time) : 0; }

template <class T>
void forget(T &what) { std::memset(&what, 0, sizeof what); }

template <class T>
bool same(const T &a, const T &b) { return !std::memcmp(&a, &b, sizeof a); }

}  // namespace pipeline
