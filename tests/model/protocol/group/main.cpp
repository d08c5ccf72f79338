// Kafka's group and offsets: is there a way to commit an offset beyond what was handled?
//   group search most_states=N [progress=1] [SCOPE=N ...] [without=PROTECTION ...]   exit code 1: there is
#include "../explorer.h"
#include "rest.h"

namespace group {

using Next = Successors<State, Step>;

struct Model {
  using State = group::State;
  using Step = group::Step;

  // The first records of each partition are poison where there is any.
  State start() const {
    State state;
    std::memset(&state, 0, sizeof state);
    int poison = scope.poison;
    for (int i = 0; i < scope.partitions; i++) {
      Partition &kafka = state.partition[i];
      kafka.end = static_cast<Byte>(scope.records);
      for (Byte offset = 0; offset < kafka.end; offset++) {
        kafka.request[offset] = static_cast<Byte>(offset + 1);
        kafka.poison[offset] = poison-- > 0;
      }
    }
    for (Member &member : state.member)
      for (Place &place : member.place) place.position = NOWHERE;
    const auto byte = [](int number) { return static_cast<Byte>(number); };
    state.left = {byte(scope.stops), byte(scope.crashes), byte(scope.abandons), byte(scope.rebalances),
                  byte(scope.replays)};
    return state;
  }

  void steps(const State &state, Next &next) const {
    for (Byte i = 0; i < scope.members; i++) {
      if (!state.member[i].stopped) works(state, i, next);
      faults(state, i, next);
    }
    for (Byte i = 0; i < scope.partitions; i++) moves(state, i, next);
  }

  void canonical(State &) const {}
  double weight(const Step &) const { return 1; }
  const char *broken(const State &state) const { return group::broken(state); }
  const char *restless(const State &state, std::vector<std::string> *) const { return group::restless(state); }
  std::string sentence(const Step &step) const;
  std::string picture(const State &state) const;
  std::string json(const Step &) const { return "{}"; }
  std::string json(const State &) const { return "{}"; }

 private:
  void works(const State &state, Byte i, Next &next) const {
    const Member &member = state.member[i];
    auto add = [&](What what, Byte partition = 0, Byte value = 0) -> State & {
      return next.add(state, {what, i, partition, value});
    };
    if (member.at == BETWEEN) {
      Member &after = add(POLL).member[i];
      set_back(after);
      // As it was before: the mark is set before the poll, which may lose and gain partitions.
      if (!protects(GOES_ON_AT_POSITION)) mark(after);
      after.at = POLLING;
    } else if (member.at == HANDLING) {
      State &after = add(HANDLE);
      have_handled(after, member);
      done(after, i);
      if (state.left.abandons) abandons(state, i, next);
      if (!protects(OFFSETS_FOLLOW_BATCH)) done(add(BREAK), i);
    } else {
      if (member.at == POLLING) add(POLL_EMPTY).member[i].at = BETWEEN;
      else take(add(TAKE).member[i]);
      for (Byte partition = 0; partition < scope.partitions; partition++) {
        if (member.place[partition].news) serve(add(SERVE, partition), i, partition);
        else if (can_fetch(member, state, partition)) fetches(add(FETCH, partition).member[i], partition);
      }
    }
  }
  static void fetches(Member &member, int partition) {
    if (!protects(GOES_ON_AT_POSITION)) member.at = GATHERING;  // and not after its first record
    fetch(member, partition);
  }
  void abandons(const State &state, Byte i, Next &next) const {
    for (Byte done = 0; done < 2; done++) {
      State &after = next.add(state, {ABANDON, i, 0, done});
      after.left.abandons--;
      if (done) have_handled(after, state.member[i]);
      abandon(after.member[i]);
    }
  }

  void faults(const State &state, Byte i, Next &next) const {
    if (state.member[i].stopped) {
      next.add(state, {CONTINUE, i, 0, 0}).member[i].stopped = 0;
      expel(state, i, next);
      return;
    }
    if (state.left.stops) {
      State &after = next.add(state, {STOP, i, 0, 0});
      after.left.stops--;
      after.member[i].stopped = 1;
    }
    if (!state.left.crashes) return;
    State &after = next.add(state, {CRASH, i, 0, 0});
    after.left.crashes--;
    std::memset(&after.member[i], 0, sizeof after.member[i]);
    for (Place &place : after.member[i].place) place.position = NOWHERE;
    for (Partition &kafka : after.partition)
      if (kafka.owner == i + 1) kafka.owner = 0;
  }
  // Its session is over: the group goes on without it, and it hears of that when it goes on.
  void expel(const State &state, Byte i, Next &next) const {
    State after = state;
    bool owned = false;
    for (int partition = 0; partition < scope.partitions; partition++) {
      if (state.partition[partition].owner != i + 1) continue;
      owned = true;
      after.partition[partition].owner = 0;
      after.member[i].place[partition].news = LOST;
    }
    if (owned) next.add(after, {EXPEL, i, 0, 0});
  }

  void moves(const State &state, Byte i, Next &next) const {
    const Partition &kafka = state.partition[i];
    for (Byte to = 0; to < scope.members && !kafka.owner; to++) {
      if (state.member[to].stopped) continue;
      State &after = next.add(state, {GIVE, to, i, 0});
      after.partition[i].owner = static_cast<Byte>(to + 1);
      after.partition[i].generation++;
      after.member[to].place[i].news |= ASSIGNED;
    }
    const Byte owner = kafka.owner - 1;
    if (kafka.owner && state.left.rebalances && !state.member[owner].stopped && !state.member[owner].place[i].news) {
      State &after = next.add(state, {ASK_BACK, owner, i, 0});
      after.left.rebalances--;
      after.member[owner].place[i].news = REVOKED;
    }
    for (Byte request = 1; request <= RECORDS && state.left.replays && kafka.end < RECORDS; request++) {
      if (!kafka.letter[request]) continue;
      State &after = next.add(state, {REPLAY, 0, i, request});
      after.left.replays--;
      after.partition[i].letter[request] = 0;
      after.partition[i].request[after.partition[i].end++] = request;
    }
  }
};

std::string Model::sentence(const Step &step) const {
  const std::string member = "member " + std::to_string(step.member);
  const std::string partition = "partition " + std::to_string(step.partition);
  switch (step.what) {
    case POLL: return member + " polls";
    case POLL_EMPTY: return member + " polls, and nothing comes";
    case SERVE: return member + " is told in its poll what became of " + partition;
    case FETCH: return member + " fetches the next record of " + partition;
    case TAKE: return member + " takes of what it fetched what it may handle";
    case HANDLE: return member + " handles its batch and commits";
    case ABANDON: return member + " abandons its batch" + (step.value ? " after it was done" : "");
    case STOP: return member + " is stopped";
    case CONTINUE: return member + " goes on";
    case CRASH: return member + " crashes";
    case EXPEL: return member + "'s session is over";
    case GIVE: return partition + " is given to " + member;
    case ASK_BACK: return partition + " is asked back from " + member;
    case REPLAY: return "the dead letter of request " + std::to_string(step.value) + " is replayed";
    default: return "the unprotected step";
  }
}

std::string Model::picture(const State &state) const {
  std::string text;
  for (int i = 0; i < scope.partitions; i++) {
    const Partition &kafka = state.partition[i];
    text += (i ? " | " : "") + std::string("partition ") + std::to_string(i) + " of " +
            (kafka.owner ? "member " + std::to_string(kafka.owner - 1) : "nobody") + ": committed " +
            std::to_string(kafka.committed) + " of " + std::to_string(kafka.end);
    for (int request = 1; request <= RECORDS; request++)
      if (kafka.final[request] || kafka.letter[request])
        text += ", " + std::to_string(request) + (kafka.final[request] ? " final" : " a dead letter");
  }
  for (int i = 0; i < scope.members; i++) {
    text += " | member " + std::to_string(i) + ":";
    for (int of = 0; of < state.member[i].count; of++)
      text += " " + std::to_string(state.member[i].hand[of].partition) + "/" + std::to_string(state.member[i].hand[of].offset);
    for (int of = 0; of < scope.partitions; of++)
      if (const Place &place = state.member[i].place[of]; place.position != NOWHERE)
        text += " (handled to " + std::to_string(place.position) + ", reads at " + std::to_string(place.fetch) + ")";
  }
  return text;
}

}  // namespace group

int main(int count, char **arguments) { return run(group::Model(), group::set, count, arguments); }
