// Once nothing fails any more: whoever arrives has a number, and whoever has one is admitted in the end.
#pragma once

#include "world.h"

namespace room {

constexpr int MOST_ATTEMPTS = 20;  // as in api/arrivals.py

inline void rebuild(State &state) {
  state.rebuild = {};
  state.gate.exists = 1;
  state.gate.version = state.ledger.version;
  state.gate.has_room = state.ledger.has_room;
  state.gate.opened_under = state.identity;
  note_known(state);
}

// One process takes a batch, and begins again as often as it may.
inline const char *arrive_all(State &state, bool &beyond) {
  Worker worker = {};
  worker.at = ASKING;
  worker.users = static_cast<Byte>((1 << scope.users) - 1);
  std::memcpy(worker.sent, state.ticket, sizeof worker.sent);
  for (int attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    if (const char *broken = ask(state, worker, true, beyond)) return broken;
    if (beyond || worker.at == FREE) return nullptr;
    if (worker.at == NEEDS_LOT) {
      if (const char *broken = draw(state, worker)) return broken;
      if (worker.at == HAS_LOT) give_lot(state, worker);
    } else {
      reserve(state, worker);
      if (state.ledger.next_number > NUMBERS) return beyond = true, nullptr;
      give_block(state, worker);
    }
  }
  return "19: who arrives gets no number";
}

inline const char *restless(State state) {
  std::memset(state.worker, 0, sizeof state.worker);
  rebuild(state);
  bool beyond = false;
  state.clock = std::max<Byte>(state.clock, 1);
  if (const char *broken = arrive_all(state, beyond)) return broken;
  if (beyond || !state.ledger.has_room) return nullptr;
  state.clock = NUMBERS + 2;
  for (int user = 0; user < scope.users; user++) {
    if (!admit(state, user)) return "19: who arrived is never admitted";
    if (!state.ticket[user] || !state.told[user]) return "19: who arrived is told no position";
    for (int other = 0; other < user; other++) {
      if (state.ticket[user] == state.ticket[other]) return "15: two users have the same number";
      if (state.told[user] == state.told[other]) return "15: two users have the same position";
    }
  }
  return nullptr;
}

}  // namespace room
