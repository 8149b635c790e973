// Pushes to many devices: at once, and at a pace.
#include "server/rollout/rollouts.hpp"

#include "tests/unit/server/api_support.hpp"

namespace kscpush::test {
namespace {

// pc-1, pc-2 and pc-3 are registered.
json send(const Api& api, const std::string& body, int status = 202) {
  const auto response = api.ask("POST", "/v1/pushes", body);
  CHECK_MESSAGE(response.status == status, response.body);
  return json::parse(response.body);
}

json show(const Api& api, const json& begun) {
  return api.get("/v1/rollouts/" + begun["rollout"]["id"].get<std::string>());
}

json wait_for(const Api& api, const json& begun, const std::string& state) {
  wait_until([&] { return show(api, begun)["state"] == state; });
  return show(api, begun);
}

}  // namespace

TEST_CASE("pushes: to a list all are stored at once, and each that is not says why") {
  const Api api;
  SocketDevice device(api.plain_port(), {});
  device.go_online();
  const json body = send(api, R"({"kind":"sync","devices":["none","pc-1","pc-2"]})");
  REQUIRE(body["accepted"].size() == 2);
  CHECK(body["accepted"][0]["device"] == "pc-1");
  CHECK(device.next_line() == "publish 1 sync " + body["accepted"][0]["id"].get<std::string>());
  const json waiting = api.get("/v1/pushes/" + body["accepted"][1]["id"].get<std::string>());
  CHECK(waiting["device"] == "pc-2");
  CHECK(waiting["state"] == "stored");
  REQUIRE(body["failed"].size() == 1);
  CHECK(body["failed"][0]["device"] == "none");
  CHECK(body["failed"][0]["code"] == "not_found");
}

TEST_CASE("rollout: is done when all have acknowledged") {
  const Api api;
  SocketDevice first(api.plain_port(), {});
  SocketDevice second(api.plain_port(), {.id = "pc-2"});
  first.go_online();
  second.go_online();
  const json begun = send(api, R"({"kind":"sync","select":"id == pc-1 or id == pc-2"})");
  CHECK(begun["rollout"]["targets"] == 2);
  CHECK(begun["rollout"]["state"] == "running");
  first.ack(first.next().packet_id);
  wait_until([&] { return show(api, begun)["counts"].contains("acked"); });
  CHECK(show(api, begun)["state"] == "running");
  second.ack(second.next().packet_id);
  const json done = wait_for(api, begun, "done");
  CHECK(done["pushed"] == 2);
  CHECK(done["failed"] == 0);
  CHECK(done["counts"] == json{{"acked", 2}});
  CHECK(done["ended"].is_string());
  const auto id = begun["rollout"]["id"].get<std::string>();
  CHECK(api.get("/v1/pushes?rollout=" + id)["pushes"].size() == 2);
  CHECK(api.get("/v1/rollouts")["rollouts"][0] == done);
}

TEST_CASE(
    "rollout: what needs its device now does not wait for it, and too many of these halt it") {
  const Api api;
  const json begun =
      send(api, R"({"kind":"ping","devices":["pc-1","pc-2","pc-3"],"canary":1,"max_failures":5})");
  const json halted = wait_for(api, begun, "halted");
  CHECK(halted["pushed"] == 1);
  CHECK(halted["failed"] == 1);
  CHECK(halted["counts"] == json{{"undeliverable", 1}});
  CHECK(halted["reason"] == "of the first, 1 failed, 0 may");
}

TEST_CASE("rollout: the others follow when the first have not failed") {
  const Api api;
  SocketDevice first(api.plain_port(), {});
  first.go_online();
  const json begun = send(api, R"({"kind":"sync","devices":["pc-1","pc-2"],"canary":1})");
  const auto packet = first.next();
  CHECK(show(api, begun)["pushed"] == 1);
  first.ack(packet.packet_id);
  wait_until([&] { return show(api, begun)["pushed"] == 2; });
}

TEST_CASE("rollout: of a kind that is answered the others wait for the answers of the first") {
  for (const char* const status : {"completed", "failed"}) {
    CAPTURE(status);
    const Api api;
    SocketDevice first(api.plain_port(), {});
    first.go_online();
    const json begun =
        send(api, R"({"kind":"task.start","ttl":900,"devices":["pc-1","pc-2"],"canary":1})");
    const auto packet = first.next();
    first.ack(packet.packet_id);
    const std::string push(decode_push(packet.payload)->id.str());
    wait_until([&] { return api.get("/v1/pushes/" + push)["state"] == "acked"; });
    CHECK(show(api, begun)["pushed"] == 1);
    first.send(publish_bytes(first.spec, mqtt::UpTopic::kResult,
                             fmt::format(R"({{"id":"{}","status":"{}"}})", push, status), 7));
    if (status == std::string("completed")) {
      wait_until([&] { return show(api, begun)["pushed"] == 2; });
    } else {
      CHECK(wait_for(api, begun, "halted")["pushed"] == 1);
    }
  }
}

TEST_CASE("rollout: devices that cannot have it are counted as failed") {
  const Api api;
  const json begun = send(api, R"({"kind":"sync","devices":["none","gone"],"max_failures":1})");
  const json halted = wait_for(api, begun, "halted");
  CHECK(halted["refused"] == 2);
  CHECK(halted["pushed"] == 0);
}

TEST_CASE("rollout: cancelled, what was not sent is taken back and the rest never sent") {
  const Api api;
  const json begun = send(api, R"({"kind":"sync","devices":["pc-1","pc-2","pc-3"],"canary":2})");
  wait_until([&] { return show(api, begun)["pushed"] == 2; });
  const auto id = begun["rollout"]["id"].get<std::string>();
  CHECK(api.ask("DELETE", "/v1/rollouts/" + id).status == 200);
  wait_until([&] { return show(api, begun)["counts"] == json{{"cancelled", 2}}; });
  const json cancelled = show(api, begun);
  CHECK(cancelled["state"] == "cancelled");
  CHECK(cancelled["pushed"] == 2);
  CHECK(error_of(api.ask("DELETE", "/v1/rollouts/" + id), 409)["code"] == "conflict");
}

TEST_CASE("rollout: goes on where it was when the server was stopped") {
  Api api;
  const json begun = send(api, R"({"kind":"sync","devices":["pc-1","pc-2","pc-3"],"canary":1})");
  wait_until([&] { return show(api, begun)["pushed"] == 1; });
  api.restart();
  CHECK(show(api, begun)["state"] == "running");
  SocketDevice first(api.plain_port(), {});
  first.go_online();
  first.ack(first.next().packet_id);
  wait_until([&] { return show(api, begun)["pushed"] == 3; });
}

TEST_CASE("rollout: the same key is the same rollout") {
  const Api api;
  const std::string body = R"({"kind":"sync","devices":["pc-1"]})";
  const auto with_key = [](HttpRequest& request) { request.idempotency_key = "k1"; };
  const auto ask = [&](const std::string& text) {
    return Api::wait(api.begin("POST", "/v1/pushes", text, with_key));
  };
  const json first = json::parse(ask(body).body);
  const auto again = ask(body);
  CHECK(again.status == 202);
  CHECK(json::parse(again.body)["rollout"]["id"] == first["rollout"]["id"]);
  CHECK(error_of(ask(R"({"kind":"sync","devices":["pc-2"]})"), 409)["code"] == "conflict");
  CHECK(api.get("/v1/rollouts")["rollouts"].size() == 1);
}

TEST_CASE("rollout: what makes no sense is refused, naming the field") {
  const Api api;
  const auto field = [&](const std::string& rest) {
    const auto response =
        api.ask("POST", "/v1/pushes", R"({"kind":"sync","all":true,)" + rest + "}");
    return error_of(response, 400)["field"];
  };
  CHECK(field(R"("rate":0)") == "rate");
  CHECK(field(R"("rate":"fast")") == "rate");
  CHECK(field(R"("max_failures":-1)") == "max_failures");
  CHECK(field(R"("canary":1e3)") == "canary");
  CHECK(field(R"("ttl":-1)") == "ttl");
  error_of(api.ask("POST", "/v1/pushes", R"({"kind":"sync"})"), 400);
  error_of(api.ask("POST", "/v1/pushes", R"({"kind":"sync","select":"id == nobody"})"), 404);
  error_of(api.ask("GET", "/v1/rollouts/01M81PT0BJK7N4RKASKEAP23KX"), 404);
}

}  // namespace kscpush::test
