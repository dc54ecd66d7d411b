/*
 * What the network namespace of a process holds.  From outside a child process enters the
 * namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/fork_call.h"
#include "base/json.h"
#include "process/net_namespace_table.h"
#include "process/parts.h"

static struct network seen;

static void json_interface_name(int32_t index)
{
	json_key("interface");
	for (size_t i = 0; i < seen.links; i++)
		if (seen.link[i].index == index) {
			json_text(seen.link[i].name);
			return;
		}
	json_text("");
}

static void json_link_of(size_t i)
{
	json_open('{');
	json_key("name");
	json_text(seen.link[i].name);
	json_key("kind");
	json_text(seen.link[i].kind);
	json_key("flags");
	json_u64(seen.link[i].flags);
	json_key("peer_elsewhere");
	json_bool(seen.link[i].peer);
	json_key("addresses");
	json_open('[');
	for (size_t k = 0; k < seen.addresses; k++)
		if (seen.address[k].index == seen.link[i].index)
			json_text(seen.address[k].text);
	json_close(']');
	for (size_t k = 0; k < SETTINGS; k++) {
		const struct setting *s = &seen.link[i].set[k];

		json_key(setting_key(k));
		if (s->error == ENOENT)
			json_null();
		else if (s->error)
			json_fail(json_mark(), s->error, "read %s", setting_key(k));
		else
			json_u64(s->number);
	}
	json_close('}');
}

static void json_route(size_t i)
{
	json_open('{');
	json_key("to");
	json_text(seen.route[i].to);
	json_key("gateway");
	json_text(seen.route[i].gateway);
	json_interface_name(seen.route[i].index);
	json_key("table");
	json_u64(seen.route[i].table);
	json_key("type");
	json_u64(seen.route[i].type);
	json_close('}');
}

static void json_rule(size_t i)
{
	json_open('{');
	json_key("family");
	json_u64(seen.rule[i].family == AF_INET6 ? 6 : 4);
	json_key("priority");
	json_u64(seen.rule[i].priority);
	json_key("table");
	json_u64(seen.rule[i].table);
	json_close('}');
}

static void json_neighbour(size_t i)
{
	json_open('{');
	json_key("address");
	json_text(seen.neighbour[i].text);
	json_interface_name(seen.neighbour[i].index);
	json_key("state");
	json_u64(seen.neighbour[i].state);
	json_close('}');
}

static void json_list(const char *key, int error, size_t count, void (*item)(size_t i))
{
	json_key(key);
	if (error == EOPNOTSUPP) { /* a kernel without policy routing, or a sentry */
		json_null();
		return;
	}
	if (error) {
		json_fail(json_mark(), error, "list %s by rtnetlink", key);
		return;
	}
	json_open('[');
	for (size_t i = 0; i < count; i++)
		item(i);
	json_close(']');
}

void json_network(int proc, bool self)
{
	cleanup_fd int ns = self || proc < 0 ? -1 : openat(proc, "ns/net", O_RDONLY | O_CLOEXEC);
	int error = errno;
	struct call_result done = { CALL_ERROR, proc < 0 ? -proc : error };

	json_key("network");
	memset(&seen, 0, sizeof(seen));
	if (proc >= 0 && (self || ns >= 0))
		done = fork_call(read_network, &ns, &seen, sizeof(seen));
	if (done.end != CALL_DONE || seen.error) {
		error = done.end == CALL_TIMEOUT ? ETIMEDOUT : done.number;
		json_fail(json_mark(), seen.error ? seen.error : error,
			  "look at its network namespace");
		return;
	}
	json_open('{');
	json_list("interfaces", seen.links_error, seen.links, json_link_of);
	json_list("routes", seen.routes_error, seen.routes, json_route);
	json_list("rules", seen.rules_error, seen.rules, json_rule);
	json_list("neighbours", seen.neighbours_error, seen.neighbours, json_neighbour);
	json_close('}');
}
