// What administrators, operators and failing servers do.
#pragma once

#include "writing.h"

namespace pipeline {

inline void changes(const State &state, Next &next) {
  auto changed = [&](const Step &step, Byte total, Byte to) {
    State &after = next.add(state, step);
    Definition &definition = after.ledger.definition;
    (step.what == PAUSE ? after.left.pauses : step.what == CLOSE ? after.left.archives : after.left.changes)--;
    if (total < definition.total) after.lowered = 1;
    definition = {next_number(state, definition.version), total, to, definition.line};
    after.on_its_way = step.more ? Definition{} : definition;
  };
  // Lowering waits for INSERTs that run, and counts what they have written.
  auto fits = [&](Byte total) {
    return !any_runs(state) && total >= std::max(issued_count(state.ledger), held_count(state.ledger));
  };
  const Definition &now = state.ledger.definition;
  if (now.state >= ENDED) return;
  for (Byte untold = 0; untold < 2; untold++) {
    for (Byte total = 1; state.left.changes && total <= scope.most_total; total++)
      if (total > now.total || (total < now.total && fits(total)))
        changed({CHANGE, 0, 0, 0, total, untold, {}}, total, now.state);
    const Byte paused = now.state == PAUSED ? OPENED : PAUSED;
    if (state.left.pauses) changed({PAUSE, 0, 0, 0, paused, untold, {}}, now.total, paused);
    if (state.left.archives) changed({CLOSE, 0, 0, 0, 0, untold, {}}, now.total, ENDED);
  }
}

// archive_in_ledger, and what the reconciler does then (coupons/gate/forgetting.py).
inline void archives(const State &state, Next &next) {
  const Byte now = state.ledger.definition.state;
  if (now == ENDED && !state.asked)
    for (Byte server : gates(state)) {
      State after = state;
      define(after.gate[server], state.ledger.definition);
      const bool available = is_open(after, server) && after.gate[server].epoch == state.ledger.epoch;
      if (available && count(after.gate[server], PENDING)) continue;
      after.asked = 1;
      next.add(after, {ASK_GATE, 0, 0, server, 0, 0, {}});
    }
  const bool waits = any_runs(state) && protects(ARCHIVE_WAITS_FOR_WRITES);
  if (now == ENDED && state.asked && !waits && is_settled(state.ledger))
    for (Byte untold = 0; untold < 2; untold++) {
      State &after = next.add(state, {ARCHIVE, 0, 0, 0, 0, untold, {}});
      Definition &definition = after.ledger.definition;
      definition = {next_number(state, definition.version), definition.total, ARCHIVED};
      if (protects(ARCHIVE_FENCES)) after.ledger.epoch = next_number(state, state.ledger.epoch);
      after.on_its_way = untold ? Definition{} : definition;
      after.asked = after.looked = 0;
    }
  if (now != ARCHIVED) return;
  bool locked = false;
  for (const Rebuild &rebuild : state.rebuild) locked |= rebuild.at && rebuild.locked;
  if (locked && protects(FORGET_TAKES_THE_LOCK)) return;
  for (Byte server : gates(state)) {
    if (!has_to_look(state, server)) continue;
    State &after = next.add(state, {FORGET, 0, 0, server, 0, 0, {}});
    forget(after.gate[server]);
    after.looked = identity(state, server);
  }
}

// By the API after a change, or by the reconciler, which sees that the gate has an older version.
inline void definitions(const State &state, Next &next) {
  for (Byte server : gates(state)) {
    if (!state.on_its_way.version) {
      if (!is_open(state, server) || state.gate[server].definition.version >= state.ledger.definition.version) continue;
      if (is_archived(state.ledger)) continue;
      next.add(state, {SEE_DEFINITION, 0, 0, server, 0, 0, {}}).on_its_way = state.ledger.definition;
      continue;
    }
    State &after = next.add(state, {DEFINE, 0, 0, server, 0, 0, {}});
    define(after.gate[server], state.on_its_way);
    const Definition &there = after.gate[server].definition;
    if (server == after.master && there.line && there.version >= state.began) after.known = state.ledger.definition.line;
    after.on_its_way = {};
  }
  if (state.on_its_way.version) next.add(state, {DEFINE_LOST, 0, 0, 0, 0, 0, {}}).on_its_way = {};
}

inline void redis_server(const State &state, Next &next) {
  const Byte master = state.master;
  const Gate &gate = state.gate[master];
  if (!state.left.redis) return;
  if (gate.epoch) {
    State &after = next.add(state, {FLUSH, 0, 0, master, 0, 0, {}});
    after.left.redis--;
    after.gate[master] = {};
  }
  if (state.life[master] >= 2) return;
  // What was removed is in an older file.
  const bool removed = is_archived(state.ledger) && !gate.epoch && !scope.asynchronous && !scope.refusals;
  for (Byte epoch = 0; epoch <= (removed ? state.ledger.epoch : gate.epoch); epoch++)
    for (Byte gone = 0; gone < (epoch ? 2 : 1); gone++) {
      if (epoch && epoch != gate.epoch && !gone) continue;
      if (epoch && scope.asynchronous && (epoch - 1) % CLOCK > CLOCK / 4) continue;  // was never given out
      State &after = next.add(state, {RESTART, 0, 0, master, epoch, gone, {}});
      Gate &kept = after.gate[master];
      after.left.redis--;
      // Of an older epoch it has what it had when that was open.
      if (epoch != gate.epoch) kept = {epoch, identity(state, master), identity(state, master), gate.definition, {}};
      if (!epoch) kept = {};
      if (gone) forget(kept.user);
      after.life[master]++;
    }
}

inline void redis_pair(const State &state, Next &next) {
  if (scope.servers == 1) return;
  const Byte master = state.master, other = 1 - master;
  const auto follow = [&](State &after) {
    after.gate[other] = after.gate[master];
    after.replid[other] = after.replid[master];
  };
  if (!state.split && !same(state.gate[0], state.gate[1])) follow(next.add(state, {REPLICATE, 0, 0, other, 0, 0, {}}));
  if (state.left.redis) {
    State &after = next.add(state, {PROMOTE, 0, 0, other, 0, 0, {}});
    after.left.redis--;
    after.master = other;
    after.split = 1;
    after.replid[other] = ++after.replids;
  }
  if (state.split) {
    State &after = next.add(state, {RESYNC, 0, 0, other, 0, 0, {}});
    after.split = 0;
    follow(after);
  }
}

// Whatever Postgres was asked for and had not answered is of unknown outcome, and undone.
inline void cut_off(State &state) {
  for (Writer &writer : state.writer)
    if (writer.insert) {
      writer.insert = NO_INSERT;
      writer.unknown = 1;
      writer.at = AGAIN;
    }
  if (state.forward.insert) forget(state.forward);
  forget(state.late);
  forget(state.promoter);
  for (Rebuild &rebuild : state.rebuild) {
    rebuild.locked = 0;
    if (rebuild.at && rebuild.at < READ) forget(rebuild);
  }
}

inline void postgres(const State &state, Next &next) {
  if (scope.asynchronous && state.left.failovers && !same(state.ledger, state.standby))
    next.add(state, {STANDBY_FOLLOWS, 0, 0, 0, 0, 0, {}}).standby = state.ledger;
  if (!state.left.failovers) return;
  State &after = next.add(state, {FAIL_OVER, 0, 0, 0, 0, 0, {}});
  after.left.failovers--;
  cut_off(after);
  if (!scope.asynchronous || same(state.ledger, state.standby)) return;
  after.ledger = state.standby;
  // `verify` names as lost what the stream has passed and the ledger does not know as final any more.
  after.went_back = after.lowered = after.stream.gap = 1;
}

inline void stream(const State &state, Next &next) {
  if (state.stream.gap) emit_again(next.add(state, {EMIT_AGAIN, 0, 0, 0, 0, 0, {}}));
  if (!state.left.gaps || state.stream.gap) return;
  State &after = next.add(state, {LOSE_EVENTS, 0, 0, 0, 0, 0, {}});
  after.left.gaps--;
  after.stream.gap = protects(GAP_IS_NAMED);
  for (int user = 0; user < scope.users; user++) {
    after.stream.log[user] &= static_cast<Byte>(~state.stream.due[user]);
    after.stream.due[user] = 0;
  }
}

// `coupon after-restore` and what its page says (operations/restore.py). Nobody is at work meanwhile.
inline void after_restore(State &state, bool unread) {
  for (int user = 0; user < scope.users; user++) {
    if (unread) {
      state.stream.log[user] &= static_cast<Byte>(~state.stream.due[user]);
      state.stream.due[user] = 0;
    }
    for (Byte time = 1; time <= TIMES; time++)
      if (state.stream.log[user] >> time & 1 && protects(RESTORE_READS_THE_LOG)) commit_row(state, user, time);
    // What neither the backup nor the log has is gone. With the log read, that is what Connect had not read.
    if (protects(RESTORE_READS_THE_LOG) && !state.ledger.row[user]) state.told[user] = 0;
  }
  if (protects(RESTORE_DISCARDS_THE_GATE)) forget(state.gate);
  if (protects(RESTORE_EMITS_AGAIN)) emit_again(state);
}

inline void restores(const State &state, Next &next) {
  if (!state.left.restores) return;
  if (!state.backup.epoch) {
    next.add(state, {BACK_UP, 0, 0, 0, 0, 0, {}}).backup = state.ledger;
    return;
  }
  for (Byte unread = 0; unread < 2; unread++) {
    State &after = next.add(state, {RESTORE, 0, 0, 0, unread, 0, {}});
    after.left.restores--;
    cut_off(after);
    forget(after.writer);
    forget(after.forward);
    forget(after.consumer);
    forget(after.rebuild);
    forget(after.on_its_way);
    after.ledger = after.standby = state.backup;
    forget(after.backup);
    after.lowered = 1;
    after_restore(after, unread);
  }
}

}  // namespace pipeline
