// The consumer: a batch of change events is issued, marked at the gate, and only then its offsets are committed
// (cdc_consumer/handling.py, loop.py). What was committed may come again at any time. The reconciler marks too.
#pragma once

#include "writing.h"

namespace pipeline {

constexpr Byte ALL_USERS = (1 << USERS) - 1;

inline void offsets_committed(State &state, const Consumer &consumer) {
  for (int user = 0; user < scope.users; user++)
    if (consumer.events >> user & 1 && consumer.mark[user])
      state.stream.due[user] &= static_cast<Byte>(~(1 << time_of(consumer.mark[user])));
}

// Every batch that may be read: of each user no event or one.
inline void batches(const State &state, int user, Step &step, std::vector<Step> &all) {
  if (user == scope.users) {
    for (Byte time : step.batch)
      if (time) {
        all.push_back(step);
        return;
      }
    return;
  }
  for (Byte time = 0; time <= TIMES; time++)
    if (!time || state.stream.log[user] >> time & 1) {
      step.batch[user] = time;
      batches(state, user + 1, step, all);
    }
  step.batch[user] = 0;
}

// What goes wrong where the order is not kept.
inline void unprotected(const State &state, const Step &step, Next &next) {
  Consumer marked{1, ALL_USERS, {}};
  State issued = state;
  issue(issued, step.batch, marked.mark);
  const Step broken{BREAK, step.who, 0, 0, 0, 0, {}};
  if (!protects(MARK_FOLLOWS_COMMIT)) {
    State &after = next.add(state, broken);
    for (int user = 0; user < scope.users; user++) settle(after.gate[after.master], user, marked.mark[user]);
  }
  if (!protects(OFFSETS_FOLLOW_BATCH)) offsets_committed(next.add(state, broken), marked);
}

inline void consumer(const State &state, Byte i, Next &next) {
  const Consumer &consumer = state.consumer[i];
  if (!consumer.busy) {
    std::vector<Step> all;
    Step step{ISSUE, i, 0, 0, 0, 0, {}};
    batches(state, 0, step, all);
    for (const Step &batch : all) {
      State &after = next.add(state, batch);
      after.consumer[i] = {1, ALL_USERS, {}};
      if (const char *broken = issue(after, batch.batch, after.consumer[i].mark)) next.blame(broken);
      unprotected(state, batch, next);
    }
    for (Byte server : gates(state))
      for (Byte user = 0; user < scope.users; user++) {
        const Byte told = told_of(state.ledger, user);
        if (!is_open(state, server) || state.gate[server].user[user].status != PENDING || status_of(told) < ISSUED)
          continue;
        State &after = next.add(state, {SEE_FINAL, i, user, server, 0, 0, {}});
        after.consumer[i].busy = 1;
        after.consumer[i].mark[user] = told;
      }
    return;
  }
  for (Byte server : gates(state)) {
    State &after = next.add(state, {MARK, i, 0, server, 0, 0, {}});
    for (int user = 0; user < scope.users; user++) settle(after.gate[server], user, consumer.mark[user]);
    offsets_committed(after, consumer);
    forget(after.consumer[i]);
  }
  forget(next.add(state, {MARK_LOST, i, 0, 0, 0, 0, {}}).consumer[i]);
}

}  // namespace pipeline
