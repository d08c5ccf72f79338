// arrive.lua, fill_room.lua and admit.lua, and the statements of sql/queries/waiting_rooms.sql.
#pragma once

#include "state.h"

namespace room {

inline bool is_open(const State &state) {
  return state.gate.exists && state.gate.opened_under == state.identity;
}

// The position of a number, + 1; 0: the lot decides it, which is not drawn. The lot is some permutation by its key.
inline Byte position(Byte lot_size, Byte lot_key, Byte number) {
  if (!scope.by_lot) return static_cast<Byte>(number + 1);
  if (!lot_key) return 0;
  return static_cast<Byte>(number >= lot_size ? number + 1 : (number + lot_key) % lot_size + 1);
}

inline bool has_come(const State &state, Byte position) { return position && state.clock > position; }

// The promises to who gets a number: nobody else has it, and nobody who came before and has a ticket is behind.
inline const char *give(State &state, int user, Byte number) {
  Byte &owner = state.owner[number];
  if (owner && owner != user + 1) return "15: a number is given twice";
  owner = static_cast<Byte>(user + 1);
  for (int other = 0; other < scope.users; other++)
    if (other != user && state.ticket[other] > number + 1)
      return "16: who arrives later is before somebody who arrived earlier and has a ticket";
  return nullptr;
}

// What the user is told. The client keeps the ticket of the smaller number.
inline const char *tell(State &state, int user, Byte sent, Byte number, Byte position) {
  if (sent && number + 1 > sent) return "16: who has a ticket lost the place";
  if (!state.ticket[user] || number + 1 < state.ticket[user]) {
    state.ticket[user] = static_cast<Byte>(number + 1);
    state.told[user] = 0;
  }
  if (number + 1 != state.ticket[user] || !position) return nullptr;
  if (state.told[user] && state.told[user] != position) return "17: a position that was told has changed";
  state.told[user] = position;
  return nullptr;
}

inline void needs_lot(const Gate &gate, Worker &worker) {
  worker.at = NEEDS_LOT;
  worker.count = gate.end ? static_cast<Byte>(gate.next + 1) : 0;
  worker.version = gate.version;
}

// arrive.lua for the users of a worker; who got no number stays in it. nullptr, or what is broken.
inline const char *ask(State &state, Worker &worker, bool answered, bool &beyond) {
  Gate &gate = state.gate;
  if (!is_open(state) || !gate.has_room) return worker = {}, nullptr;
  const bool is_other = protects(BLOCK_KNOWS_ITS_SERVER) && gate.under != state.identity;
  if (is_other || !gate.block) {
    gate.under = state.identity;
    gate.block = protects(BLOCK_HAS_A_NEW_NAME) ? ++state.names : state.identity;
    gate.next = gate.end = 0;
  }
  const bool is_to_be_drawn = scope.by_lot && !gate.lot_key && state.clock;
  if (is_to_be_drawn && protects(LOT_IS_WAITED_FOR)) return needs_lot(gate, worker), nullptr;
  const char *broken = nullptr;
  Byte missing = 0;
  for (int user = 0; user < scope.users; user++) {
    if (!(worker.users >> user & 1)) continue;
    Byte &number = gate.number[user];
    const Byte sent = protects(TICKET_BRINGS_BACK) ? worker.sent[user] : 0;
    if (sent && (!number || (sent < number && protects(SMALLER_NUMBER_STAYS)))) {
      number = sent;
      if (state.owner[sent - 1] != user + 1) broken = "15: somebody has the number of another user";
    } else if (!number) {
      if (gate.next >= gate.end) {
        missing |= static_cast<Byte>(1 << user);
        continue;
      }
      if (gate.next >= NUMBERS) return beyond = true, nullptr;
      if (const char *what = give(state, user, gate.next)) broken = what;
      number = ++gate.next;
    }
    const Byte at = position(gate.lot_size, gate.lot_key, static_cast<Byte>(number - 1));
    const char *what = answered ? tell(state, user, worker.sent[user], static_cast<Byte>(number - 1), at) : nullptr;
    if (what) broken = what;
  }
  if (is_to_be_drawn && !missing) return needs_lot(gate, worker), broken;
  worker.users = missing;
  if (!missing || !answered) return worker = {}, broken;
  worker.at = NEEDS_BLOCK;
  worker.holder = gate.block;
  worker.after = gate.end;
  return broken;
}

// reserve_numbers: asked again for the same, it is the same block.
inline void reserve(State &state, Worker &worker) {
  Ledger &ledger = state.ledger;
  worker.at = HAS_BLOCK;
  if (!protects(NUMBERS_ARE_RESERVED)) {
    worker.start = worker.after;
    worker.end = static_cast<Byte>(worker.start + BLOCK);
    return;
  }
  if (ledger.block_holder != worker.holder || ledger.block_after != worker.after) {
    ledger.block_start = ledger.next_number;
    ledger.next_number = static_cast<Byte>(ledger.next_number + BLOCK);
    ledger.block_holder = worker.holder;
    ledger.block_after = worker.after;
  }
  worker.start = ledger.block_start;
  worker.end = ledger.next_number;
}

// fill_room.lua, "block".
inline void give_block(State &state, Worker &worker) {
  Gate &gate = state.gate;
  const bool is_here = gate.under == state.identity || !protects(BLOCK_KNOWS_ITS_SERVER);
  const bool is_asked = is_here && gate.block == worker.holder && gate.end == worker.after;
  if (gate.exists && (is_asked || !protects(FILL_LOOKS_AGAIN))) {
    gate.next = worker.start;
    gate.end = worker.end;
  }
  worker.at = ASKING;
  worker.holder = worker.after = worker.start = worker.end = 0;
}

// define.lua, and what a rebuild writes.
inline void define(State &state, Byte version, Byte has_room) {
  if (!state.gate.exists || state.gate.version >= version) return;
  state.gate.version = version;
  state.gate.has_room = has_room;
}

// The gate has what the ledger says: from now on it has to keep to it.
inline void note_known(State &state) {
  if (is_open(state) && state.gate.version == state.ledger.version) state.known = 1;
}

// draw_lot. Where the gate asked with another version, it is told of the coupon and asked again.
inline const char *draw(State &state, Worker &worker) {
  Ledger &ledger = state.ledger;
  const char *broken = nullptr;
  if (!ledger.lot_key && worker.version != ledger.version && protects(LOT_IS_OF_THE_OPENING)) {
    define(state, ledger.version, ledger.has_room);
    note_known(state);
    worker.at = ASKING;
    worker.count = worker.version = 0;
    return nullptr;
  }
  if (!ledger.lot_key || !protects(LOT_IS_DRAWN_ONCE)) {
    const Byte reserved = protects(LOT_COUNTS_THE_RESERVED) ? ledger.next_number : 0;
    ledger.lot_size = worker.count ? static_cast<Byte>(worker.count - 1) : reserved;
    ledger.lot_key = ++state.keys;
    for (int number = ledger.lot_size; number < NUMBERS; number++)
      if (state.owner[number]) broken = "17: who arrived before the lot was drawn takes no part in it";
  }
  worker.at = HAS_LOT;
  worker.version = 0;
  worker.lot_size = ledger.lot_size;
  worker.lot_key = ledger.lot_key;
  return broken;
}

inline void give_lot(State &state, Worker &worker) {
  if (state.gate.exists) {
    state.gate.lot_size = worker.lot_size;
    state.gate.lot_key = worker.lot_key;
  }
  worker.at = ASKING;
  worker.count = worker.lot_size = worker.lot_key = 0;
}

// Whether one of the user's numbers has its turn, by what the ledger says.
inline bool may_claim(const State &state, int user) {
  for (int number = 0; number < NUMBERS; number++)
    if (state.owner[number] == user + 1 &&
        has_come(state, position(state.ledger.lot_size, state.ledger.lot_key, static_cast<Byte>(number))))
      return true;
  return false;
}

// admit.lua, of a user with no request; true: admitted.
inline bool admit(const State &state, int user) {
  if (!is_open(state) || state.clock < 2) return false;
  const Gate &gate = state.gate;
  if (!gate.has_room || !protects(TURN_IS_CHECKED)) return true;
  const Byte number = gate.number[user];
  return number && has_come(state, position(gate.lot_size, gate.lot_key, static_cast<Byte>(number - 1)));
}

}  // namespace room
