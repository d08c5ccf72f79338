// A consumer process: cdc_consumer/loop.py and ownership.py, over the client of Kafka.
#pragma once

#include <algorithm>

#include "state.h"

namespace group {

inline bool is_ours(const State &state, int member, int partition) {
  const Place &place = state.member[member].place[partition];
  const Partition &kafka = state.partition[partition];
  return kafka.owner == member + 1 && kafka.generation == place.generation;
}

// The broker refuses it from anybody but the present owner; then the next commit covers it.
inline void commit(State &state, int member) {
  for (int i = 0; i < scope.partitions; i++) {
    Place &place = state.member[member].place[i];
    if (!place.handled || !is_ours(state, member, i)) continue;
    state.partition[i].committed = place.handled;
    place.handled = 0;
  }
}

inline void forget(Place &place) {
  place.position = NOWHERE;
  place.handled = place.set_back = 0;
  place.moved = 1;
}

// One callback of the client: on_lost, on_revoke or on_assign.
inline void serve(State &state, int member, int partition) {
  Place &place = state.member[member].place[partition];
  Partition &kafka = state.partition[partition];
  if (place.news & LOST) {
    place.news &= static_cast<Byte>(~LOST);
    forget(place);
  } else if (place.news & REVOKED) {
    place.news &= static_cast<Byte>(~REVOKED);
    commit(state, member);
    forget(place);
    if (kafka.owner == member + 1) kafka.owner = 0;
  } else {
    const Byte lost = place.moved;
    place.news = 0;
    forget(place);
    if (!protects(GOES_ON_AT_POSITION)) place.moved = lost;  // as it was before
    place.generation = kafka.generation;
    place.fetch = place.position = kafka.committed;
  }
}

// Before a poll: what was not taken is read again.
inline void set_back(Member &member) {
  for (Place &place : member.place) {
    if (place.set_back && place.position != NOWHERE) place.fetch = place.position;
    place.set_back = 0;
  }
}

// Everything in hand from now on is of the present assignment.
inline void mark(Member &member) {
  for (Place &place : member.place) place.moved = 0;
}

inline bool goes_on(Place &place, int first) {
  if (place.position == NOWHERE) return false;
  const bool beyond = first > place.position && protects(GOES_ON_AT_POSITION);
  if (!place.moved && !beyond) return true;
  if (protects(DROPPED_ARE_READ_AGAIN)) place.set_back = 1;
  return false;
}

// Ownership.take: of what was fetched, what is to be handled.
inline void take(Member &member) {
  int kept = 0;
  for (int partition = 0; partition < scope.partitions; partition++) {
    int first = -1;
    for (int i = 0; i < member.count && first < 0; i++)
      if (member.hand[i].partition == partition) first = member.hand[i].offset;
    if (first >= 0 && !goes_on(member.place[partition], first))
      for (int i = 0; i < member.count; i++)
        if (member.hand[i].partition == partition) member.hand[i].partition = NOWHERE;
  }
  for (int i = 0; i < member.count; i++)
    if (member.hand[i].partition != NOWHERE) member.hand[kept++] = member.hand[i];
  std::memset(member.hand + kept, 0, sizeof *member.hand * static_cast<std::size_t>(IN_HAND - kept));
  member.count = static_cast<Byte>(kept);
  member.at = kept ? HANDLING : BETWEEN;
}

inline void drop_hand(Member &member) {
  std::memset(member.hand, 0, sizeof member.hand);
  member.count = 0;
  member.at = BETWEEN;
}

// What handling does to the ledger and the dead letters; doing it again changes nothing.
inline void have_handled(State &state, const Member &member) {
  for (int i = 0; i < member.count; i++) {
    Partition &kafka = state.partition[member.hand[i].partition];
    const Byte request = kafka.request[member.hand[i].offset];
    if (!kafka.poison[member.hand[i].offset]) kafka.final[request] = 1;
    else if (protects(LETTERS_ARE_DELIVERED)) kafka.letter[request] = 1;
  }
}

// Ownership.handled, then the commit: after the last record of each partition.
inline void done(State &state, int which) {
  Member &member = state.member[which];
  for (int i = 0; i < member.count; i++) {
    Place &place = member.place[member.hand[i].partition];
    if (place.position == NOWHERE) continue;
    place.position = place.handled = static_cast<Byte>(member.hand[i].offset + 1);
  }
  drop_hand(member);
  commit(state, which);
}

// Ownership.put_back: the partitions begin again with the first record of theirs.
inline void abandon(Member &member) {
  for (int i = member.count; i-- && protects(ABANDONED_ARE_READ_AGAIN);) {
    Place &place = member.place[member.hand[i].partition];
    if (place.position == NOWHERE) continue;
    place.position = member.hand[i].offset;
    place.set_back = 1;
  }
  drop_hand(member);
}

inline bool can_fetch(const Member &member, const State &state, int partition) {
  const Place &place = member.place[partition];
  return place.position != NOWHERE && place.fetch < state.partition[partition].end &&
         member.count < scope.most_in_hand;
}

inline void fetch(Member &member, int partition) {
  if (member.at == POLLING) mark(member);
  member.hand[member.count++] = {static_cast<Byte>(partition), member.place[partition].fetch++};
  member.at = GATHERING;
}

}  // namespace group
