// Who can log in, and what the provider says of them.

// An account's subject is not what a person types, as in most installations.
const subjectOf = (name) => `account-${name}`;

export function accountsOf({ accounts }) {
  const found = Object.entries(accounts).map(([name, claims]) => {
    const accountId = subjectOf(name);
    const all = { sub: accountId, preferred_username: name, ...claims };
    return [accountId, { accountId, claims: () => all }];
  });
  const bySubject = new Map(found);
  return {
    bySubject: (subject) => bySubject.get(subject),
    named: (name) => bySubject.get(subjectOf(name)),
  };
}
