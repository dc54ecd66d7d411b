/*
 * Classes of values: a known shape of a secret, or a form that is none.  The class is written to
 * documents, never the value.  The prefixes are those that the services document.
 */
#include "exposed/secret_shapes.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static const struct {
	const char *prefix;
	size_t least; /* characters after the prefix */
	const char *shape;
} tokens[] = {
	{ "github_pat_", 22, "github_token" },
	{ "ghp_", 30, "github_token" },
	{ "gho_", 30, "github_token" },
	{ "ghu_", 30, "github_token" },
	{ "ghs_", 30, "github_token" },
	{ "ghr_", 30, "github_token" },
	{ "glpat-", 20, "gitlab_token" },
	{ "gldt-", 20, "gitlab_token" },
	{ "glrt-", 20, "gitlab_token" },
	{ "AKIA", 16, "aws_key_id" },
	{ "ASIA", 16, "aws_key_id" },
	{ "AIza", 35, "google_api_key" },
	{ "ya29.", 20, "google_token" },
	{ "xoxb-", 20, "slack_token" },
	{ "xoxp-", 20, "slack_token" },
	{ "xoxa-", 20, "slack_token" },
	{ "xapp-", 20, "slack_token" },
	{ "sk_live_", 16, "stripe_key" },
	{ "rk_live_", 16, "stripe_key" },
	{ "sk-", 32, "api_key" },
	{ "npm_", 36, "npm_token" },
	{ "pypi-AgE", 50, "pypi_token" },
	{ "dckr_pat_", 20, "docker_token" },
	{ "hvs.", 20, "vault_token" },
	{ "hvb.", 20, "vault_token" },
	{ "hf_", 30, "huggingface_token" },
	{ "SG.", 60, "sendgrid_key" },
	{ "glsa_", 32, "grafana_token" },
	{ "dop_v1_", 60, "digitalocean_token" },
	{ "shpat_", 32, "shopify_token" },
	{ "AGE-SECRET-KEY-1", 50, "private_key" },
	{ "tskey-", 20, "tailscale_key" },
};

static bool is_token(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static size_t token_size(const char *at)
{
	size_t size = 0;

	while (is_token(at[size]))
		size++;
	return size;
}

/* "<token>", "${TOKEN}", "xxxx", "****": nothing is gained by it. */
static bool is_placeholder(const char *at, size_t size)
{
	static const char *const words[] = { "redacted", "placeholder", "todo",	  "none",
					     "null",	 "unset",	"example" };
	bool same = size > 0;

	for (size_t i = 0; i < COUNT(words); i++)
		if (size == strlen(words[i]) && strncasecmp(at, words[i], size) == 0)
			return true;
	for (size_t i = 1; i < size; i++)
		same = same && at[i] == at[0];
	return (same && size > 1 && strchr("xX*.-", at[0])) ||
	       (size > 1 && ((at[0] == '<' && at[size - 1] == '>') || starts_with(at, "${") ||
			     starts_with(at, "{{")));
}

/* base64url of a JSON object, twice, and a signature: RFC 7519. */
static bool is_jwt(const char *at, size_t size)
{
	const char *dot = memchr(at, '.', size);
	const char *second = dot ? memchr(dot + 1, '.', size - (size_t)(dot + 1 - at)) : NULL;

	return starts_with(at, "eyJ") && dot && dot - at > 8 && starts_with(dot + 1, "eyJ") &&
	       second && (size_t)(second - at) + 8 < size;
}

static const char *token_shape(const char *value)
{
	for (const char *at = value; *at; at++) {
		size_t size;

		if (at > value && is_token(at[-1]))
			continue;
		size = token_size(at);
		if (is_jwt(at, size))
			return "jwt";
		for (size_t i = 0; i < COUNT(tokens); i++) {
			size_t head = strlen(tokens[i].prefix);

			if (strncmp(at, tokens[i].prefix, head) == 0 &&
			    size >= head + tokens[i].least &&
			    !is_placeholder(at + head, size - head))
				return tokens[i].shape;
		}
	}
	return NULL;
}

/* scheme://user:password@host (RFC 3986, 3.2.1). */
static bool has_url_password(const char *value)
{
	for (const char *at = strstr(value, "://"); at; at = strstr(at + 3, "://")) {
		const char *user = at + 3;
		size_t all = strcspn(user, "/?# \t\n\"'"), info = 0;
		const char *colon;

		for (size_t i = 0; i < all; i++)
			if (user[i] == '@')
				info = i;
		colon = info ? memchr(user, ':', info) : NULL;
		if (colon && colon + 1 < user + info &&
		    !is_placeholder(colon + 1, (size_t)(user + info - colon - 1)))
			return true;
	}
	return false;
}

/* A connection string: "host=db password=x", "Server=db;Pwd=x;", "AccountKey=x". */
static bool has_pair(const char *value)
{
	static const char *const keys[] = { "password=", "pwd=", "accountkey=", "sharedaccesskey=",
					    "client_secret=" };

	for (const char *at = value; *at; at++)
		for (size_t i = 0; i < COUNT(keys); i++) {
			size_t size = strlen(keys[i]);

			if ((at == value || strchr(" ;&?,\t", at[-1])) &&
			    strncasecmp(at, keys[i], size) == 0) {
				size_t rest = strcspn(at + size, " ;&,\t");

				if (rest && !is_placeholder(at + size, rest))
					return true;
			}
		}
	return false;
}

static bool has_private_key(const char *value)
{
	const char *at = strstr(value, "-----BEGIN "), *end = at ? strstr(at + 11, "-----") : NULL;
	const char *key = at ? strstr(at, "PRIVATE KEY") : NULL;

	return key && end && key < end;
}

static bool is_authorization(const char *value)
{
	const char *word = strncasecmp(value, "Bearer ", 7) == 0  ? value + 7
			   : strncasecmp(value, "Basic ", 6) == 0 ? value + 6
								  : NULL;

	return word && strlen(word) >= 16;
}

static bool is_flag(const char *value)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off" };

	for (size_t i = 0; i < COUNT(words); i++)
		if (strcasecmp(words[i], value) == 0)
			return true;
	return strlen(value) < 5 && strspn(value, "0123456789.") == strlen(value);
}

const char *value_shape(const char *value)
{
	const char *shape;

	if (!*value)
		return "empty";
	if (has_private_key(value))
		return "private_key";
	shape = token_shape(value);
	if (shape)
		return shape;
	if (has_url_password(value))
		return "url_password";
	if (has_pair(value))
		return "connection_password";
	if (is_authorization(value))
		return "authorization";
	if (is_placeholder(value, strlen(value)))
		return "placeholder";
	if (is_flag(value))
		return "flag";
	if (value[0] == '/' || starts_with(value, "~/") || starts_with(value, "unix:"))
		return "path";
	return strstr(value, "://") ? "url" : "";
}
