// What holds in every state, and once everybody works on without a further fault.
#pragma once

#include "member.h"

namespace group {

// A record below the committed offset is final, or a dead letter, or was written back beyond that offset.
inline bool is_accounted_for(const Partition &kafka, int offset) {
  const Byte request = kafka.request[offset];
  if (kafka.final[request] || kafka.letter[request]) return true;
  for (int later = std::max<int>(offset + 1, kafka.committed); later < kafka.end; later++)
    if (kafka.request[later] == request) return true;
  return false;
}

inline const char *broken(const State &state) {
  for (int i = 0; i < scope.partitions; i++) {
    const Partition &kafka = state.partition[i];
    for (int offset = 0; offset < kafka.committed; offset++)
      if (!is_accounted_for(kafka, offset))
        return kafka.poison[offset] ? "9: a record that cannot be handled is dropped"
                                    : "5: an offset is committed beyond a record that was not handled";
  }
  return nullptr;
}

// One round of everybody; a living member polls, handles and commits.
inline void work_on(State &state) {
  for (int partition = 0; partition < scope.partitions; partition++) {
    Partition &kafka = state.partition[partition];
    if (kafka.owner) continue;
    kafka.owner = 1;
    kafka.generation++;
    state.member[0].place[partition].news |= ASSIGNED;
  }
  for (int which = 0; which < scope.members; which++) {
    Member &member = state.member[which];
    member.stopped = 0;
    if (member.at == HANDLING) {
      have_handled(state, member);
      done(state, which);
    }
    if (member.at == BETWEEN) {
      set_back(member);
      member.at = POLLING;
    }
    for (int partition = 0; partition < scope.partitions; partition++)
      while (member.place[partition].news) serve(state, which, partition);
    for (int partition = 0; partition < scope.partitions; partition++)
      while (can_fetch(member, state, partition)) fetch(member, partition);
    take(member);
  }
}

inline const char *unfinished(const State &state) {
  for (int i = 0; i < scope.partitions; i++) {
    const Partition &kafka = state.partition[i];
    for (int offset = 0; offset < kafka.end; offset++)
      if (!kafka.final[kafka.request[offset]] && !kafka.letter[kafka.request[offset]])
        return "7: accepted, and never final nor a dead letter";
    if (kafka.committed != kafka.end) return "5: an offset is never committed";
  }
  return nullptr;
}

inline const char *restless(State state) {
  const int rounds = 4 * RECORDS * PARTITIONS;
  for (int i = 0; i < rounds; i++) work_on(state);
  if (const char *what = broken(state)) return what;
  return unfinished(state);
}

}  // namespace group
