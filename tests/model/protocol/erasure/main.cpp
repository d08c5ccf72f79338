// The erasure of a user: is there a way in which something of them stays or comes back, or a count is wrong?
//   erasure search most_states=N [progress=1] [SCOPE=N ...] [without=PROTECTION ...]   exit code 1: there is
#include "../explorer.h"
#include "rest.h"

namespace erasure {

struct Model {
  using State = erasure::State;
  using Step = erasure::Step;

  // The coupon is open at the gate, and the user has nothing.
  State start() const {
    State state;
    std::memset(&state, 0, sizeof state);
    state.ledger.epoch = state.gate.epoch = state.gate.is_open = 1;
    const auto byte = [](int number) { return static_cast<Byte>(number); };
    state.left = {byte(scope.claims), byte(scope.erasures), byte(scope.crashes), byte(scope.restarts), byte(scope.rebuilds),
                  byte(scope.rereads), byte(scope.late), byte(scope.joins), byte(scope.arrivals)};
    return state;
  }

  void steps(const State &state, Next &next) const {
    claims(state, next);
    writes(state, next);
    consumes(state, next);
    erases(state, next);
    reconciles(state, next);
  }

  void canonical(State &) const {}
  double weight(const Step &) const { return 1; }
  const char *broken(const State &state) const { return erasure::broken(state); }
  const char *restless(const State &state, std::vector<std::string> *) const { return erasure::restless(state); }
  std::string sentence(const Step &step) const;
  std::string picture(const State &state) const;
  std::string json(const Step &) const { return "{}"; }
  std::string json(const State &) const { return "{}"; }
};

std::string Model::sentence(const Step &step) const {
  const std::string time = std::to_string(step.value);
  switch (step.what) {
    case CLAIM: return "the user claims, and is admitted";
    case WRITE: return "the row is written";
    case WRITER_CRASHES: return "who writes it crashes";
    case LEAVE_WRITE: return "the connection is lost, and the INSERT goes on by itself";
    case LATE_COMMITS: return "the late INSERT arrives";
    case ROLL_FORWARD: return "the reconciler rolls the pending claim forward";
    case CONSUME: return "the consumer makes the record of " + time + " final";
    case MARK: return "it marks the gate";
    case CONSUMER_CRASHES: return "the consumer crashes before the mark";
    case LEAVE_MARK: return "the consumer is stopped before the mark, and another one takes the record";
    case LATE_MARK: return "the late mark arrives";
    case REREAD: return "all records of Kafka are read again";
    case JOIN: return "the user joins the line";
    case PROMOTE: return "the user is promoted at the gate";
    case ARRIVE: return "the user arrives in the room";
    case CHECK: return "an erasure begins: nothing is under way";
    case REFUSED: return "the erasure is refused";
    case LEAVE_LINES: return "the user leaves the line for it";
    case CHECK_AGAIN: return "it checks again";
    case LEAVE_ROOM: return "the user leaves the room for it";
    case ERASE_IN_LEDGER: return "the ledger replaces the user";
    case ERASE_AT_GATE: return "the gate replaces the user";
    case CALL_CRASHES: return "the erasure is cut off";
    case WATCH: return "the reconciler erases again";
    case NO_MARK_COMES: return "no mark of " + time + " can come any more: it is erased once more, and its id forgotten";
    case RESTART: return "Redis restarts with everything";
    case FENCE: return "a rebuild begins";
    case READ_LEDGER: return "it reads the ledger";
    default: return "it loads the gate and opens it";
  }
}

std::string Model::picture(const State &state) const {
  const auto mark = [](int status, int time) {
    return std::string(1, "-PIR"[status]) + (status ? std::to_string(time) : "");
  };
  const Ledger &ledger = state.ledger;
  const Gate &gate = state.gate;
  std::string text = "ledger: row " + std::to_string(ledger.row) + ", outcome " + mark(ledger.outcome, ledger.outcome_time) + ", ids";
  for (int id = 0; id < IDS; id++) text += " " + mark(ledger.id_status[id], ledger.id_time[id]);
  text += std::string(ledger.in_line ? ", in line" : "") + " | gate " + (gate.is_open ? "open" : "closed") + ": user " +
          mark(gate.status, gate.time) + ", ids";
  for (Byte status : gate.id_status) text += " " + mark(status, 0).substr(0, 1);
  text += ", settled " + std::to_string(gate.settled) + (gate.in_room ? ", in the room" : "");
  text += " | asked for since " + std::to_string(state.asked) + ", due " + std::to_string(state.due);
  for (Byte time = 1; time <= TIMES; time++)
    if (state.watched[time].is_erased)
      text += ", erased " + std::to_string(time) + " by id " + std::to_string(state.watched[time].replaced_by);
  return text;
}

}  // namespace erasure

int main(int count, char **arguments) { return run(erasure::Model(), erasure::set, count, arguments); }
