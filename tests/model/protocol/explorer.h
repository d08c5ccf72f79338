// Searches every state that a model can reach, breadth first, and tells the shortest way to what is wrong.
//
// A model has
//   State, Step          plain bytes; two states are the same when their bytes are
//   start()              the state where everything begins
//   steps(state, next)   adds every step that may be taken now, with the state after it
//   canonical(state)     gives states that differ in nothing that matters the same bytes
//   broken(state)        which invariant does not hold; nullptr when all do
//   restless(state, story)  lets everything come to rest without further faults; what is wrong then
//   weight(step)         how likely it is in a random way
//   sentence(step), picture(state)  for people; json(step), json(state)  for the replay on the real servers
//
// Of a state that was seen only a fingerprint of 64 bits is kept, as TLC does, with the way to it: which of the
// steps of which state. So 13 bytes a state are enough, and any trace can be told by walking it once more. Two
// of 100 million states have the same fingerprint with a chance of 1 in 4,000; one of them is not looked at then.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

template <class State, class Step>
struct Successor {
  Step step;
  State state;
  const char *broken;  // by the step itself, whatever the state after it looks like
};

template <class State, class Step>
class Successors {
 public:
  // A copy of `now` to be changed to what it is after the step. Valid until the next call.
  State &add(const State &now, const Step &step) {
    list.push_back({step, now, nullptr});
    return list.back().state;
  }
  // The step that was added last breaks this invariant.
  void blame(const char *broken) {
    if (!list.back().broken) list.back().broken = broken;
  }
  std::vector<Successor<State, Step>> list;
};

// Fingerprints of states, open addressing; 0 is a free place.
class Seen {
 public:
  explicit Seen(std::size_t most) {
    std::size_t size = 1024;
    while (size < most * 3 / 2) size *= 2;
    places.assign(size, 0);
  }
  bool add(std::uint64_t print) {
    for (std::size_t at = print & (places.size() - 1);; at = (at + 1) & (places.size() - 1)) {
      if (places[at] == print) return false;
      if (!places[at]) {
        places[at] = print;
        return true;
      }
    }
  }

 private:
  std::vector<std::uint64_t> places;
};

template <class State>
std::uint64_t fingerprint(const State &state) {
  const auto *bytes = reinterpret_cast<const unsigned char *>(&state);
  std::uint64_t hash = 0x9E3779B97F4A7C15ull;
  for (std::size_t at = 0; at < sizeof(State); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, std::min<std::size_t>(8, sizeof(State) - at));
    hash = (hash ^ word) * 0xff51afd7ed558ccdull;
    hash ^= hash >> 32;
  }
  hash = (hash ^ sizeof(State)) * 0xc4ceb9fe1a85ec53ull;
  hash ^= hash >> 29;
  return hash ? hash : 1;
}

struct Limits {
  std::size_t most_states = 3'000'000;
  bool progress = false;
};

template <class Model>
class Explorer {
  using State = typename Model::State;
  using Step = typename Model::Step;
  static_assert(alignof(State) == 1, "a state is bytes alone, so that it has no holes");

 public:
  Explorer(const Model &model, Limits limits) : model(model), limits(limits), seen(limits.most_states) {}

  // Prints a counterexample, if there is one, and a line of figures. True when nothing is wrong.
  bool search() {
    begin();
    while (!frontier.empty() && !found) {
      if (from.size() >= limits.most_states) return finish("stopped at the limit of states");
      deepen();
    }
    return finish(found ? "violated" : "holds");
  }

  // Random ways from the start, one line of JSON a step, to be replayed on the real servers.
  void walk(unsigned seed, int ways, int length) const {
    std::mt19937 random(seed);
    for (int way = 0; way < ways; way++) {
      State state = model.start();
      std::printf("{\"start\": %s}\n", model.json(state).c_str());
      for (int taken = 0; taken < length; taken++) {
        Successors<State, Step> next;
        model.steps(state, next);
        if (next.list.empty()) break;
        const auto &chosen = next.list[pick(next.list, random)];
        state = chosen.state;
        std::printf("{\"step\": %s, \"after\": %s}\n", model.json(chosen.step).c_str(),
                    model.json(state).c_str());
      }
    }
  }

 private:
  struct Way {  // to a state: which step of which state
    std::uint32_t state;
    std::uint16_t step;
  };
  struct Found {
    std::string what;
    std::uint32_t state;
    int step;  // the one that breaks it; -1: the state does, once it is left to rest
  };

  const Model &model;
  Limits limits;
  Seen seen;
  std::vector<Way> from;
  std::vector<State> frontier, following;
  std::uint32_t first = 0;  // number of the frontier's first state
  std::uint64_t transitions = 0;
  int depth = 0;
  bool found = false;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();

  void begin() {
    State state = model.start();
    model.canonical(state);
    seen.add(fingerprint(state));
    from.push_back({0, 0});
    frontier.push_back(state);
  }

  void deepen() {
    Successors<State, Step> next;
    for (std::uint32_t at = 0; at < frontier.size() && !found; at++) {
      const std::uint32_t number = first + at;
      if (const char *what = model.restless(frontier[at], nullptr)) return tell({what, number, -1});
      next.list.clear();
      model.steps(frontier[at], next);
      for (std::size_t i = 0; i < next.list.size(); i++) {
        auto &to = next.list[i];
        transitions++;
        const char *what = to.broken ? to.broken : model.broken(to.state);
        if (what) return tell({what, number, static_cast<int>(i)});
        model.canonical(to.state);
        if (from.size() < limits.most_states && seen.add(fingerprint(to.state))) {
          from.push_back({number, static_cast<std::uint16_t>(i)});
          following.push_back(to.state);
        }
      }
      if (limits.progress && number % 0x100000 == 0xfffff) report("...");
    }
    first += static_cast<std::uint32_t>(frontier.size());
    frontier.swap(following);
    following.clear();
    depth++;
  }

  void tell(const Found &what) {
    found = true;
    std::printf("VIOLATED %s\n", what.what.c_str());
    std::vector<Way> way;
    for (std::uint32_t at = what.state; at; at = from[at].state) way.push_back(from[at]);
    std::reverse(way.begin(), way.end());
    if (what.step >= 0) way.push_back({0, static_cast<std::uint16_t>(what.step)});
    State state = model.start();
    model.canonical(state);
    std::printf("  at the start\n        %s\n", model.picture(state).c_str());
    for (std::size_t i = 0; i < way.size(); i++) {
      Successors<State, Step> next;
      model.steps(state, next);
      auto &to = next.list[way[i].step];
      std::printf("  %zu. %s\n        %s\n", i + 1, model.sentence(to.step).c_str(),
                  model.picture(to.state).c_str());
      state = to.state;
      if (i + 1 < way.size() || what.step < 0) model.canonical(state);
    }
    if (what.step < 0) {
      std::vector<std::string> story;
      model.restless(state, &story);
      for (const auto &line : story) std::printf("  at rest: %s\n", line.c_str());
    }
  }

  bool finish(const char *how) {
    report(how);
    return !found;
  }

  void report(const char *how) const {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began;
    std::printf("%s: %zu states, %llu transitions, %d steps deep, %.1f s\n", how, from.size(),
                static_cast<unsigned long long>(transitions), depth, taken.count());
    std::fflush(stdout);
  }

  // A kind of step is as likely as the model says, however many variants it has.
  template <class List>
  std::size_t pick(const List &list, std::mt19937 &random) const {
    std::vector<double> weights;
    for (const auto &to : list) {
      const auto alike = std::count_if(list.begin(), list.end(), [&](const auto &other) { return other.step.what == to.step.what; });
      weights.push_back(model.weight(to.step) / static_cast<double>(alike));
    }
    return std::discrete_distribution<std::size_t>(weights.begin(), weights.end())(random);
  }
};

// What every model's program does; `set` takes the arguments that are the model's own.
template <class Model, class Set>
int run(const Model &model, Set set, int count, char **arguments) {
  const std::string command = count > 1 ? arguments[1] : "";
  Limits limits;
  int seed = 1, ways = 1, length = 40;
  for (int i = 2; i < count; i++) {
    const std::string argument = arguments[i];
    const std::string name = argument.substr(0, argument.find('='));
    const int value = std::atoi(argument.c_str() + std::min(argument.size(), name.size() + 1));
    if (name == "most_states") limits.most_states = static_cast<std::size_t>(value);
    else if (name == "progress") limits.progress = value;
    else if (name == "seed") seed = value;
    else if (name == "ways") ways = value;
    else if (name == "length") length = value;
    else if (!set(argument)) return std::fprintf(stderr, "unknown: %s\n", argument.c_str()), 2;
  }
  Explorer<Model> explorer(model, limits);
  if (command == "walk") return explorer.walk(static_cast<unsigned>(seed), ways, length), 0;
  if (command == "search") return explorer.search() ? 0 : 1;
  return std::fprintf(stderr, "search or walk, not %s\n", command.c_str()), 2;
}
