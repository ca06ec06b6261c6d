import type { FastifyInstance } from "fastify";
import type { Access } from "../../src/http/access.ts";
import type { ConsoleActions } from "./view.ts";

/** Signing in and out by plain forms: they work before any script has loaded, and where none may run. */
export function addLogin(server: FastifyInstance, access: Access, actions: ConsoleActions): void {
  server.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) => {
    done(null, new URLSearchParams(body.toString()));
  });

  server.post("/login", { config: { open: true } }, async (request, reply) => {
    const token = request.body instanceof URLSearchParams ? (request.body.get("token") ?? "").trim() : "";
    const outcome = access.signIn(request, reply, token);
    if (typeof outcome === "object") {
      const target = "console";
      actions.audit({ by: outcome, action: "sign-in", target, result: "done", count: 1, detail: "" });
    }
    // The page says in words what the part after # means; the answer itself tells no more than that.
    return reply.redirect(typeof outcome === "object" ? "/" : `/login#${outcome}`, 303);
  });

  server.post("/logout", { config: { viewer: true } }, async (request, reply) => {
    access.signOut(request, reply);
    return reply.redirect("/login#out", 303);
  });
}
