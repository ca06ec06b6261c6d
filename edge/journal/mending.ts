import { isDamage } from "./database.ts";

/** What can go on after its database turned out to be damaged. */
interface Mendable {
  /** Sets the database aside and goes on with a fresh one. Throws where that happened a moment ago. */
  startAfresh(): void;
}

/** The same object, whose methods start afresh where they find damage, and are then run once more. */
export function mending<T extends Mendable & object>(mendable: T): T {
  return new Proxy(mendable, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        try {
          return Reflect.apply(value, target, args);
        } catch (error) {
          if (!isDamage(error)) throw error;
        }
        target.startAfresh();
        return Reflect.apply(value, target, args);
      };
    },
  });
}
