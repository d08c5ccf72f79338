// The waiting room of one coupon: what ledger, gate, API processes and users hold. 0 is none everywhere.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "../arguments.h"

namespace room {

using Byte = std::uint8_t;

constexpr int USERS = 3, WORKERS = 2, NUMBERS = 16;  // at most
constexpr int BLOCK = 2;                             // numbers of a block

// What the promises of a waiting room rely on. Each can be taken away, and then something must be found.
enum Protection {
  NUMBERS_ARE_RESERVED,      // the ledger counts the blocks: Redis may forget
  BLOCK_KNOWS_ITS_SERVER,    // arrive.lua, fill_room.lua: a block that another server gave is over
  BLOCK_HAS_A_NEW_NAME,      // arrive.lua: and one of a server that has lost it is not asked for again
  FILL_LOOKS_AGAIN,          // fill_room.lua: only the end for which it was asked is moved
  TICKET_BRINGS_BACK,        // arrive.lua: who has a ticket gets its number
  SMALLER_NUMBER_STAYS,      // and of two numbers the smaller one
  TICKETS_ARE_SIGNED,        // nobody brings the number of somebody else
  LOT_IS_DRAWN_ONCE,         // draw_lot: the first size and key stay
  LOT_COUNTS_THE_RESERVED,   // draw_lot: where the gate has lost its block, all that were reserved take part
  LOT_IS_OF_THE_OPENING,     // draw_lot: not for an opening that was moved since the gate asked for it
  LOT_IS_WAITED_FOR,         // arrive.lua: once it is to be drawn, nobody gets a number before
  TURN_IS_CHECKED,           // admit.lua: in the call that admits
  REBUILD_BRINGS_THE_ROOM,   // what was set meanwhile is defined before the gate is opened
  PROTECTIONS
};
inline const char *const PROTECTION_NAMES[PROTECTIONS] = {
    "numbers-are-reserved", "block-knows-its-server", "block-has-a-new-name", "fill-looks-again",
    "ticket-brings-back", "smaller-number-stays", "tickets-are-signed", "lot-is-drawn-once",
    "lot-counts-the-reserved", "lot-is-of-the-opening", "lot-is-waited-for", "turn-is-checked", "rebuild-brings-the-room"};

struct Scope {
  int users = 2, workers = 1, arrivals = 3, by_lot = 0, clock = 3;  // arrivals: calls, of one user or of several
  // How often each of these may happen.
  int flushes = 0;   // Redis loses everything, and is the same server
  int restarts = 0;  // it has everything, and is another server
  int failovers = 0; // another server, with what it had at some moment before
  int crashes = 0;   // of an API process, between two calls
  int lost = 0;      // answers to a user
  int bare = 0;      // arrivals without the ticket that the user has
  int changes = 0;   // the room is set, or taken away
  int moves = 0;     // of the opening, to later
  int rebuilds = 0;  // beside those that are needed
};
inline Scope scope;  // set once, before the search begins
inline bool taken_away[PROTECTIONS];
inline bool protects(Protection what) { return !taken_away[what]; }

// Numbers are kept as number + 1: of a ticket, of a user at the gate.
struct Ledger { Byte version, has_room, next_number, block_start, block_holder, block_after, lot_size, lot_key; };

// What Redis holds. exists: the coupon is there; opened_under: and open, under this identity.
struct Gate {
  Byte exists, opened_under, version, has_room;
  Byte under, block, next, end;  // block: the name of the one it gives from
  Byte lot_size, lot_key;
  Byte number[USERS];
};

// A batch of arrivals at an API process. users: bits. sent: their tickets. count: for the lot, numbers + 1.
// version: of the coupon, by which the lot has to be drawn.
enum WorkerAt : Byte { FREE, ASKING, NEEDS_BLOCK, HAS_BLOCK, NEEDS_LOT, HAS_LOT };
struct Worker { Byte at, users, sent[USERS], holder, after, start, end, count, version, lot_size, lot_key; };

enum RebuildAt : Byte { NOT_REBUILDING, READ, BEGUN };
struct Rebuild { Byte at, version, has_room; };

struct Left { Byte arrivals, flushes, restarts, failovers, crashes, lost, bare, changes, moves, rebuilds; };

// clock: 0 before the lot is drawn, 1 until the opening; then one turn more with each step.
struct State {
  Ledger ledger;
  Gate gate, older;  // older: what a server that takes over has
  Byte identity, identities, names, keys;  // counted, so that none is there twice
  Worker worker[WORKERS];
  Rebuild rebuild;
  Byte ticket[USERS], told[USERS], admitted[USERS];  // told: position + 1
  Byte owner[NUMBERS];                               // user + 1, to whom the number was given
  Byte clock, known;                                 // known: the gate has had the room that there is now
  Left left;
};

enum What : Byte {
  ARRIVE,         // users: bits; more: 1 without their tickets
  ASK,            // the script; more: 1 the answer is lost
  FORGE,          // only where tickets are not signed; value: the number
  RESERVE, GIVE_BLOCK, DRAW, GIVE_LOT, CRASH,
  CLAIM, TICK, MOVE_OPENING,
  SET_ROOM, TAKE_AWAY,  // more: 1 the gate is not told
  DEFINE, REBUILD_READS, REBUILD_BEGINS, REBUILD_OPENS,
  FLUSH, RESTART, KEEP, FAIL_OVER
};
struct Step { Byte what, who, users, value, more; };

inline bool set(const std::string &argument) {
  const Field fields[] = {
      {"users", &scope.users}, {"workers", &scope.workers}, {"arrivals", &scope.arrivals}, {"by_lot", &scope.by_lot},
      {"clock", &scope.clock}, {"flushes", &scope.flushes}, {"restarts", &scope.restarts},
      {"failovers", &scope.failovers}, {"crashes", &scope.crashes}, {"lost", &scope.lost}, {"bare", &scope.bare},
      {"changes", &scope.changes}, {"moves", &scope.moves}, {"rebuilds", &scope.rebuilds}};
  return set_argument(argument, PROTECTION_NAMES, taken_away, fields);
}

}  // namespace room
