// The waiting room: is there a way to give a number twice, to overtake, or to claim too early?
//   room search most_states=N [progress=1] [SCOPE=N ...] [without=PROTECTION ...]   exit code 1: there is
#include "../explorer.h"
#include "rest.h"

namespace room {

struct Model {
  using State = room::State;
  using Step = room::Step;

  // The coupon is open at the gate, and has a room.
  State start() const {
    State state;
    std::memset(&state, 0, sizeof state);
    state.identity = state.identities = 1;
    state.ledger.version = state.ledger.has_room = 1;
    state.gate.exists = state.gate.opened_under = state.gate.version = state.gate.has_room = 1;
    state.older = state.gate;
    state.known = 1;
    const auto byte = [](int number) { return static_cast<Byte>(number); };
    state.left = {byte(scope.arrivals), byte(scope.flushes), byte(scope.restarts), byte(scope.failovers),
                  byte(scope.crashes),  byte(scope.lost),    byte(scope.bare),     byte(scope.changes),
                  byte(scope.moves),    byte(scope.rebuilds)};
    return state;
  }

  void steps(const State &state, Next &next) const {
    for (Byte which = 0; which < scope.workers; which++) works(state, which, next);
    claims(state, next);
    changes(state, next);
    rebuilds(state, next);
    losses(state, next);
  }

  void canonical(State &) const {}
  double weight(const Step &) const { return 1; }
  const char *broken(const State &) const { return nullptr; }  // each step says what it breaks
  const char *restless(const State &state, std::vector<std::string> *) const { return room::restless(state); }
  std::string sentence(const Step &step) const;
  std::string picture(const State &state) const;
  std::string json(const Step &) const { return "{}"; }
  std::string json(const State &) const { return "{}"; }
};

std::string users_of(Byte bits) {
  std::string text;
  for (int user = 0; user < scope.users; user++)
    if (bits >> user & 1) text += (text.empty() ? "user " : " and user ") + std::to_string(user);
  return text;
}

std::string Model::sentence(const Step &step) const {
  const std::string worker = "API process " + std::to_string(step.who), user = "user " + std::to_string(step.who);
  switch (step.what) {
    case ARRIVE: return users_of(step.users) + (step.more ? " without ticket" : "") + " at " + worker;
    case ASK: return worker + " asks the gate" + (step.more ? ", and the answer is lost" : "");
    case FORGE: return users_of(step.users) + " at " + worker + " with number " + std::to_string(step.value);
    case RESERVE: return worker + " reserves numbers in the ledger";
    case GIVE_BLOCK: return worker + " gives them to the gate";
    case DRAW: return worker + " draws the lot in the ledger";
    case GIVE_LOT: return worker + " gives it to the gate";
    case CRASH: return worker + " crashes";
    case CLAIM: return user + " claims, and is admitted";
    case MOVE_OPENING: return "the opening is moved to later";
    case TICK: return "time passes";
    case SET_ROOM: return std::string("a room is set") + (step.more ? ", the gate is not told" : "");
    case TAKE_AWAY: return std::string("the room is taken away") + (step.more ? ", the gate is not told" : "");
    case DEFINE: return "the reconciler defines the coupon at the gate";
    case REBUILD_READS: return "a rebuild reads the coupon";
    case REBUILD_BEGINS: return "it begins at the gate";
    case REBUILD_OPENS: return "it opens the gate";
    case FLUSH: return "Redis loses everything";
    case RESTART: return "Redis restarts with everything";
    case KEEP: return "the other server has what this one has";
    default: return "the other server takes over";
  }
}

std::string Model::picture(const State &state) const {
  const auto text = [](int number) { return number ? std::to_string(number - 1) : std::string("-"); };
  const Ledger &ledger = state.ledger;
  const Gate &gate = state.gate;
  std::string line = "clock " + std::to_string(state.clock) + " | ledger: room " + std::to_string(ledger.has_room) +
                     ", next " + std::to_string(ledger.next_number) + ", block of " + std::to_string(ledger.block_holder) +
                     " after " + std::to_string(ledger.block_after) + ", lot " + std::to_string(ledger.lot_size) + "/" +
                     std::to_string(ledger.lot_key);
  line += std::string(" | gate ") + (is_open(state) ? "open" : "closed") + ": room " + std::to_string(gate.has_room) +
          ", block " + std::to_string(gate.block) + " " + std::to_string(gate.next) + " to " + std::to_string(gate.end) +
          ", lot " + std::to_string(gate.lot_size) + "/" + std::to_string(gate.lot_key);
  for (int user = 0; user < scope.users; user++)
    line += " | user " + std::to_string(user) + ": at gate " + text(gate.number[user]) + ", ticket " +
            text(state.ticket[user]) + ", told " + text(state.told[user]) + (state.admitted[user] ? ", admitted" : "");
  return line;
}

}  // namespace room

int main(int count, char **arguments) { return run(room::Model(), room::set, count, arguments); }
