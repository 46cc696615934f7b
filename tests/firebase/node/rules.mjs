// Which requests the security rules allow, as `targaryen` reads them: a JSON object on stdin, a list of booleans out.
import { readFileSync } from "node:fs";
import strip from "strip-json-comments";
import targaryen from "targaryen";

const { rules, data, asked } = JSON.parse(readFileSync(0, "utf8"));
const database = targaryen.database(JSON.parse(strip(rules)), data, Date.now());
const answers = asked.map(({ path, read, value, role }) => {
  const auth = role === "nobody" ? null : { uid: "ann", token: { role } };
  const asking = database.as(auth);
  return (read ? asking.read(`/${path}`) : asking.write(`/${path}`, value)).allowed;
});
console.log(JSON.stringify(answers));
