// A topic, its consumer group, and what the members of the group have in hand.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "../arguments.h"

namespace group {

using Byte = std::uint8_t;

constexpr int PARTITIONS = 2, MEMBERS = 2, RECORDS = 4, IN_HAND = 4;  // at most
constexpr Byte NOWHERE = 255;

enum Protection {
  DROPPED_ARE_READ_AGAIN,    // what a member fetched and does not take sets the partition back
  ABANDONED_ARE_READ_AGAIN,  // and so does a batch that could not be handled
  GOES_ON_AT_POSITION,       // a batch that begins beyond what is handled is not taken
  OFFSETS_FOLLOW_BATCH,      // offsets are committed after the batch was handled
  LETTERS_ARE_DELIVERED,     // what cannot be handled is a dead letter before its offset is committed
  PROTECTIONS
};
inline const char *const PROTECTION_NAMES[PROTECTIONS] = {
    "dropped-are-read-again", "abandoned-are-read-again", "goes-on-at-position", "offsets-follow-batch",
    "letters-are-delivered"};

struct Scope {
  int partitions = 1, members = 2, records = 2, most_in_hand = 2;
  // How often each of these may happen.
  int stops = 0;      // of a process that keeps what it has in hand (SIGSTOP), for longer than its session
  int crashes = 0;
  int abandons = 0;   // batches that cannot be handled now
  int rebalances = 0; // a partition is asked back from a living member
  int poison = 0;     // records that can never be handled
  int replays = 0;    // of dead letters
};
inline Scope scope;
inline bool taken_away[PROTECTIONS];
inline bool protects(Protection what) { return !taken_away[what]; }

// A record is the change event of a request, 1 .. RECORDS; a replay is another record of the same request.
struct Partition {
  Byte owner, generation, committed, end;  // owner: 0 nobody, else member + 1
  Byte request[RECORDS], poison[RECORDS];  // by offset
  Byte final[RECORDS + 1], letter[RECORDS + 1];  // by request; letter: 1 open
};

// What the group has to tell a member of a partition, at its next poll, in this order.
enum News : Byte { LOST = 1, REVOKED = 2, ASSIGNED = 4 };

// position: everything below is handled; NOWHERE: not ours. fetch: what the client reads next.
// handled: to be committed, 0 for nothing. moved: lost or gained since the mark. set_back: is to be sought.
struct Place { Byte news, generation, position, fetch, handled, moved, set_back; };

enum At : Byte { BETWEEN, POLLING, GATHERING, HANDLING };
struct InHand { Byte partition, offset; };
struct Member {
  Byte stopped, at, count;
  InHand hand[IN_HAND];
  Place place[PARTITIONS];
};

struct Left { Byte stops, crashes, abandons, rebalances, replays; };
struct State {
  Partition partition[PARTITIONS];
  Member member[MEMBERS];
  Left left;
};

enum What : Byte {
  POLL, POLL_EMPTY, SERVE, FETCH, TAKE, HANDLE, ABANDON,  // value of ABANDON: 1 after it was done
  STOP, CONTINUE, CRASH, EXPEL, GIVE, ASK_BACK, REPLAY, BREAK
};
struct Step { Byte what, member, partition, value; };

inline bool set(const std::string &argument) {
  const Field fields[] = {
      {"partitions", &scope.partitions}, {"members", &scope.members}, {"records", &scope.records},
      {"most_in_hand", &scope.most_in_hand}, {"stops", &scope.stops}, {"crashes", &scope.crashes},
      {"abandons", &scope.abandons}, {"rebalances", &scope.rebalances}, {"poison", &scope.poison},
      {"replays", &scope.replays}};
  return set_argument(argument, PROTECTION_NAMES, taken_away, fields);
}

}  // namespace group
