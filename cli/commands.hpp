// The commands, one function each: it adds the command to its parent and parses into the command's
// own options; the path of a command is the path of its source file.
#pragma once

#include <CLI/App.hpp>

#include "cli/context.hpp"

namespace kscpush::cli {

void add_init(CLI::App& parent, Context& context);
void add_validate(CLI::App& parent, Context& context);
void add_diff(CLI::App& parent, Context& context);
void add_apply(CLI::App& parent, Context& context);
void add_history(CLI::App& parent, Context& context);
void add_rollback(CLI::App& parent, Context& context);
void add_dp(CLI::App& parent, Context& context);
void add_policy(CLI::App& parent, Context& context);
void add_device(CLI::App& parent, Context& context);
void add_group(CLI::App& parent, Context& context);
void add_store(CLI::App& parent, Context& context);
void add_serve(CLI::App& parent, Context& context);
void add_agent(CLI::App& parent, Context& context);
void add_ping(CLI::App& parent, Context& context);
void add_sync(CLI::App& parent, Context& context);
void add_status(CLI::App& parent, Context& context);
void add_stats(CLI::App& parent, Context& context);
void add_task(CLI::App& parent, Context& context);
void add_push(CLI::App& parent, Context& context);
void add_rollout(CLI::App& parent, Context& context);
void add_tunnel(CLI::App& parent, Context& context);
void add_events(CLI::App& parent, Context& context);
void add_doctor(CLI::App& parent, Context& context);
void add_bench(CLI::App& parent, Context& context);
void add_completion(CLI::App& parent, Context& context);

// Below dp.
void add_dp_list(CLI::App& parent, Context& context);
void add_dp_show(CLI::App& parent, Context& context);
void add_dp_enable(CLI::App& parent, Context& context);
void add_dp_disable(CLI::App& parent, Context& context);
void add_dp_set(CLI::App& parent, Context& context);
void add_dp_add(CLI::App& parent, Context& context);
void add_dp_scope(CLI::App& parent, Context& context);
void add_dp_remove(CLI::App& parent, Context& context);
void add_dp_capacity(CLI::App& parent, Context& context);
void add_dp_assign(CLI::App& parent, Context& context);
void add_dp_drain(CLI::App& parent, Context& context);
void add_dp_renew_certificate(CLI::App& parent, Context& context);

// Below policy.
void add_policy_list(CLI::App& parent, Context& context);
void add_policy_show(CLI::App& parent, Context& context);
void add_policy_set(CLI::App& parent, Context& context);
void add_policy_unset(CLI::App& parent, Context& context);
void add_policy_lock(CLI::App& parent, Context& context);
void add_policy_unlock(CLI::App& parent, Context& context);
void add_policy_add(CLI::App& parent, Context& context);
void add_policy_remove(CLI::App& parent, Context& context);
void add_policy_edit(CLI::App& parent, Context& context);
void add_policy_effective(CLI::App& parent, Context& context);
void add_policy_explain(CLI::App& parent, Context& context);

// Below device.
void add_device_add(CLI::App& parent, Context& context);
void add_device_list(CLI::App& parent, Context& context);
void add_device_show(CLI::App& parent, Context& context);
void add_device_import(CLI::App& parent, Context& context);
void add_device_move(CLI::App& parent, Context& context);
void add_device_tag(CLI::App& parent, Context& context);
void add_device_remove(CLI::App& parent, Context& context);
void add_device_revoke(CLI::App& parent, Context& context);
void add_device_restore(CLI::App& parent, Context& context);
void add_device_enroll(CLI::App& parent, Context& context);

// Below agent.
void add_agent_status(CLI::App& parent, Context& context);
void add_agent_enroll(CLI::App& parent, Context& context);

// Below push.
void add_push_send(CLI::App& parent, Context& context);
void add_push_list(CLI::App& parent, Context& context);
void add_push_show(CLI::App& parent, Context& context);
void add_push_cancel(CLI::App& parent, Context& context);

// Below task.
void add_task_list(CLI::App& parent, Context& context);
void add_task_start(CLI::App& parent, Context& context);
void add_task_stop(CLI::App& parent, Context& context);
void add_task_status(CLI::App& parent, Context& context);

// Below store.
void add_store_check(CLI::App& parent, Context& context);
void add_store_compact(CLI::App& parent, Context& context);
void add_store_backup(CLI::App& parent, Context& context);

}  // namespace kscpush::cli
