INSERT OR IGNORE INTO unique_values (workspace, type, attribute, value, "key") VALUES (1, 'User', 'userName', 'user-1022-3@example.com', 3766665783579820016)
-- end
INSERT OR IGNORE INTO resources ("key", workspace, type, id, version, document, display) VALUES (3766665783579820016, 1, 'User', '01a22f14-968f-725f-be10-1d64ef11e314', 1, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-968f-725f-be10-1d64ef11e314","userName":"user-1022-3@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":false,"emails":[{"value":"user-1022-3@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.143Z","lastModified":"2026-12-01T00:50:08.143Z","version":"W/\"1\"","location":"/Users/01a22f14-968f-725f-be10-1d64ef11e314"}}', 'user-1022-3@example.com')
-- end
INSERT INTO searchable ("key", workspace, type, body) VALUES (3766665783579820016, 1, 'User', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-968f-725f-be10-1d64ef11e314","userName":"user-1022-3@example.com","name":{"givenName":"barbara","familyName":"jensen"},"active":false,"emails":[{"value":"user-1022-3@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.143000Z","lastModified":"2026-12-01T00:50:08.143000Z"}}')
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'name.familyName', 'jensen', 3766665783579820016, 1)
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'emails.value', 'user-1022-3@example.com', 3766665783579820016, 1)
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'name.givenName', 'barbara', 3766665783579820016, 1)
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'domain', 'example.com', 3766665783579820016, 1)
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'active', 'false', 3766665783579820016, 1)
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'meta.lastModified', '2026-12-01T00:50:08.143000Z', 3766665783579820016, 1)
-- end
INSERT INTO counts (workspace, type, total) VALUES (1, 'User', 1) ON CONFLICT (workspace, type) DO UPDATE SET total = total + excluded.total
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.143Z', 'key:836629c949e6c654', '4fb64813bb23-6', 'User', '01a22f14-968f-725f-be10-1d64ef11e314', 'create', 1, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-968f-725f-be10-1d64ef11e314","userName":"user-1022-3@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":false,"emails":[{"value":"user-1022-3@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.143Z","lastModified":"2026-12-01T00:50:08.143Z","version":"W/\"1\"","location":"/Users/01a22f14-968f-725f-be10-1d64ef11e314"}}', NULL, '127.0.0.1', x'f13bb1bd161f7ee7d1e57f2fccbcb0c5ca2b215a8b0844efcbec6edc300ee5b6')
-- end
SELECT version, document, display, grouped FROM resources WHERE "key" = 3766665783280023411 AND workspace = 1 AND type = 'User' AND id = '01a22f14-9600-731b-ae6c-e7e1b45879d0'
-- end
SELECT group_concat(group_key) FROM members WHERE workspace = 1 AND member_key = 3766665783280023411
-- end
SELECT id, display, grouped FROM resources WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
UPDATE resources SET version = 2, document = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"title":"Chief","active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.158Z","version":"W/\"2\"","location":"/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"}}', display = 'user-1022-0@example.com' WHERE "key" = 3766665783280023411 AND workspace = 1
-- end
UPDATE searchable SET body = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"barbara","familyName":"jensen"},"title":"chief","active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000000Z","lastModified":"2026-12-01T00:50:08.158000Z"}}' WHERE "key" = 3766665783280023411 AND workspace = 1
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'meta.lastModified' AND value = '2026-12-01T00:50:08.000000Z' AND "key" = 3766665783280023411
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'meta.lastModified', '2026-12-01T00:50:08.158000Z', 3766665783280023411, 1)
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.158Z', 'key:836629c949e6c654', '4fb64813bb23-7', 'User', '01a22f14-9600-731b-ae6c-e7e1b45879d0', 'update', 2, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"title":"Chief","active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.158Z","version":"W/\"2\"","location":"/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"}}', NULL, '127.0.0.1', x'6f46196df8f1ab2dacb4ac8aa77760675807896293974b3df749069d0d902be2')
-- end
SELECT version, document, display, grouped FROM resources WHERE "key" = 3766665783301067982 AND workspace = 1 AND type = 'User' AND id = '01a22f14-960a-73aa-99c1-e2a0925d7e65'
-- end
SELECT group_concat(group_key) FROM members WHERE workspace = 1 AND member_key = 3766665783301067982
-- end
SELECT id, display, grouped FROM resources WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
SELECT count(*) FROM deprovisionings WHERE workspace = 1 AND time >= '2026-11-30T23:50:08.170Z'
-- end
SELECT total FROM counts WHERE workspace = 1 AND type = 'User'
-- end
INSERT OR IGNORE INTO deprovisionings (workspace, time, "key") VALUES (1, '2026-12-01T00:50:08.170Z', 3766665783301067982)
-- end
DELETE FROM deprovisionings WHERE workspace = 1 AND time < '2026-11-30T23:50:08.170Z'
-- end
UPDATE resources SET version = 2, document = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-960a-73aa-99c1-e2a0925d7e65","userName":"user-1022-1@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":false,"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.010Z","lastModified":"2026-12-01T00:50:08.170Z","version":"W/\"2\"","location":"/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65"}}', display = 'user-1022-1@example.com' WHERE "key" = 3766665783301067982 AND workspace = 1
-- end
UPDATE searchable SET body = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-960a-73aa-99c1-e2a0925d7e65","userName":"user-1022-1@example.com","name":{"givenName":"barbara","familyName":"jensen"},"active":false,"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.010000Z","lastModified":"2026-12-01T00:50:08.170000Z"}}' WHERE "key" = 3766665783301067982 AND workspace = 1
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'meta.lastModified' AND value = '2026-12-01T00:50:08.010000Z' AND "key" = 3766665783301067982
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'meta.lastModified', '2026-12-01T00:50:08.170000Z', 3766665783301067982, 1)
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'active', 'false', 3766665783301067982, 1)
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.170Z', 'key:836629c949e6c654', '4fb64813bb23-8', 'User', '01a22f14-960a-73aa-99c1-e2a0925d7e65', 'update', 2, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-960a-73aa-99c1-e2a0925d7e65","userName":"user-1022-1@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":false,"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.010Z","lastModified":"2026-12-01T00:50:08.170Z","version":"W/\"2\"","location":"/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65"}}', NULL, '127.0.0.1', x'16a58dd717699637ccbb4ddde36dcdb4aa64b5c9dea0571bcde13a2959c06403')
-- end
SELECT version, document, display, grouped FROM resources WHERE "key" = 3766665783280023411 AND workspace = 1 AND type = 'User' AND id = '01a22f14-9600-731b-ae6c-e7e1b45879d0'
-- end
SELECT group_concat(group_key) FROM members WHERE workspace = 1 AND member_key = 3766665783280023411
-- end
SELECT id, display, grouped FROM resources WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
UPDATE resources SET version = 3, document = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.181Z","version":"W/\"3\"","location":"/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"}}', display = 'user-1022-0@example.com' WHERE "key" = 3766665783280023411 AND workspace = 1
-- end
UPDATE searchable SET body = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"barbara","familyName":"jensen"},"active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000000Z","lastModified":"2026-12-01T00:50:08.181000Z"}}' WHERE "key" = 3766665783280023411 AND workspace = 1
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'meta.lastModified' AND value = '2026-12-01T00:50:08.158000Z' AND "key" = 3766665783280023411
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'User', 'meta.lastModified', '2026-12-01T00:50:08.181000Z', 3766665783280023411, 1)
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.181Z', 'key:836629c949e6c654', '4fb64813bb23-9', 'User', '01a22f14-9600-731b-ae6c-e7e1b45879d0', 'update', 3, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.181Z","version":"W/\"3\"","location":"/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"}}', NULL, '127.0.0.1', x'9616e1fbb37ef02eea916a0959b4e5527071b6a66c69949d7286f2389f8de626')
-- end
SELECT version, document, display, grouped FROM resources WHERE "key" = 3766665783332808821 AND workspace = 1 AND type = 'Group' AND id = '01a22f14-9619-75d4-8eb9-36a73beb59b6'
-- end
SELECT r."key", r.id FROM json_each('[3766665783320474900]') j CROSS JOIN resources r ON r."key" = j.value AND r.workspace = 1
WHERE r.type IN ('User', 'Group')
-- end
SELECT m.member_key, r.id
FROM json_each('[3766665783320474900]') j CROSS JOIN members m ON m.workspace = 1 AND m.group_key = 3766665783332808821 AND m.member_key = j.value
JOIN resources r ON r."key" = m.member_key AND r.workspace = m.workspace
-- end
UPDATE resources SET version = 2, document = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"Crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025Z","lastModified":"2026-12-01T00:50:08.193Z","version":"W/\"2\"","location":"/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6"}}', display = 'Crew' WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
UPDATE searchable SET body = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025000Z","lastModified":"2026-12-01T00:50:08.193000Z"}}' WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'Group' AND attribute = 'meta.lastModified' AND value = '2026-12-01T00:50:08.025000Z' AND "key" = 3766665783332808821
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'Group', 'meta.lastModified', '2026-12-01T00:50:08.193000Z', 3766665783332808821, 1)
-- end
INSERT INTO members (workspace, group_key, member_key) VALUES (1, 3766665783332808821, 3766665783320474900)
-- end
UPDATE resources SET grouped = 1 WHERE "key" = 3766665783320474900 AND workspace = 1 AND grouped IS NULL
-- end
INSERT INTO hierarchies (workspace, version)
SELECT 1, 1 WHERE EXISTS (
    SELECT 1 FROM json_each('[3766665783320474900]') j CROSS JOIN resources r ON r."key" = j.value AND r.workspace = 1 WHERE r.type = 'Group'
)
ON CONFLICT (workspace) DO UPDATE SET version = version + 1
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.193Z', 'key:836629c949e6c654', '4fb64813bb23-a', 'Group', '01a22f14-9619-75d4-8eb9-36a73beb59b6', 'update', 2, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"Crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025Z","lastModified":"2026-12-01T00:50:08.193Z","version":"W/\"2\"","location":"/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6"}}', '{"added":["01a22f14-9613-77ba-a299-fadb5a265fbe"],"removed":[]}', '127.0.0.1', x'65d94e2e3f462bac4a1cc677d2995570ef045121c46a47b5ee5d5ea551bf7ed0')
-- end
SELECT m.member_key, r.id, r.type, r.display
FROM members m JOIN resources r ON r."key" = m.member_key AND r.workspace = m.workspace
WHERE m.workspace = 1 AND m.group_key = 3766665783332808821 AND m.member_key > -1 ORDER BY m.member_key LIMIT 101
-- end
SELECT m.member_key, r.id, r.type, r.display
FROM members m JOIN resources r ON r."key" = m.member_key AND r.workspace = m.workspace
WHERE m.workspace = 1 AND m.group_key = 3766665783332808821 AND m.member_key > -1 ORDER BY m.member_key LIMIT 1000
-- end
SELECT version, document, display, grouped FROM resources WHERE "key" = 3766665783320474900 AND workspace = 1 AND type = 'User' AND id = '01a22f14-9613-77ba-a299-fadb5a265fbe'
-- end
SELECT group_concat(group_key) FROM members WHERE workspace = 1 AND member_key = 3766665783320474900
-- end
SELECT id, display, grouped FROM resources WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
SELECT count(*) FROM deprovisionings WHERE workspace = 1 AND time >= '2026-11-30T23:50:08.202Z'
-- end
SELECT total FROM counts WHERE workspace = 1 AND type = 'User'
-- end
INSERT OR IGNORE INTO deprovisionings (workspace, time, "key") VALUES (1, '2026-12-01T00:50:08.202Z', 3766665783320474900)
-- end
DELETE FROM deprovisionings WHERE workspace = 1 AND time < '2026-11-30T23:50:08.202Z'
-- end
DELETE FROM unique_values WHERE workspace = 1 AND type = 'User' AND attribute = 'userName' AND value = 'user-1022-2@example.com' AND "key" = 3766665783320474900
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'meta.lastModified' AND value = '2026-12-01T00:50:08.019000Z' AND "key" = 3766665783320474900
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'emails.value' AND value = 'user-1022-2@example.com' AND "key" = 3766665783320474900
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'name.familyName' AND value = 'jensen' AND "key" = 3766665783320474900
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'domain' AND value = 'example.com' AND "key" = 3766665783320474900
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'name.givenName' AND value = 'barbara' AND "key" = 3766665783320474900
-- end
DELETE FROM resources WHERE "key" = 3766665783320474900 AND workspace = 1
-- end
DELETE FROM searchable WHERE "key" = 3766665783320474900 AND workspace = 1
-- end
DELETE FROM secrets WHERE "key" = 3766665783320474900 AND workspace = 1
-- end
INSERT INTO counts (workspace, type, total) VALUES (1, 'User', -1) ON CONFLICT (workspace, type) DO UPDATE SET total = total + excluded.total
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.202Z', 'key:836629c949e6c654', '4fb64813bb23-b', 'User', '01a22f14-9613-77ba-a299-fadb5a265fbe', 'delete', 1, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9613-77ba-a299-fadb5a265fbe","userName":"user-1022-2@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-2@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.019Z","lastModified":"2026-12-01T00:50:08.019Z","version":"W/\"1\"","location":"/Users/01a22f14-9613-77ba-a299-fadb5a265fbe"}}', NULL, '127.0.0.1', x'553b35358ed835ebdffecdfcf0d8386df86b5478623bda0a7aea56808a591922')
-- end
DELETE FROM members WHERE workspace = 1 AND member_key = 3766665783320474900
-- end
SELECT version, document, display, grouped FROM resources WHERE "key" = 3766665783332808821 AND workspace = 1 AND type = 'Group' AND id = '01a22f14-9619-75d4-8eb9-36a73beb59b6'
-- end
UPDATE resources SET version = 3, document = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"Crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025Z","lastModified":"2026-12-01T00:50:08.202Z","version":"W/\"3\"","location":"/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6"}}', display = 'Crew' WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
UPDATE searchable SET body = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025000Z","lastModified":"2026-12-01T00:50:08.202000Z"}}' WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
DELETE FROM lookups WHERE workspace = 1 AND type = 'Group' AND attribute = 'meta.lastModified' AND value = '2026-12-01T00:50:08.193000Z' AND "key" = 3766665783332808821
-- end
INSERT INTO lookups (workspace, type, attribute, value, "key", "first") VALUES (1, 'Group', 'meta.lastModified', '2026-12-01T00:50:08.202000Z', 3766665783332808821, 1)
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.202Z', 'key:836629c949e6c654', '4fb64813bb23-b', 'Group', '01a22f14-9619-75d4-8eb9-36a73beb59b6', 'update', 3, '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"Crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025Z","lastModified":"2026-12-01T00:50:08.202Z","version":"W/\"3\"","location":"/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6"}}', '{"added":[],"removed":["01a22f14-9613-77ba-a299-fadb5a265fbe"]}', '127.0.0.1', x'ae1cf1e3d78331b8e45f43f91669e50de15f31f65e18036483fefdb562518f78')
-- end
SELECT count(*) FROM (SELECT 1 FROM (SELECT "key" FROM unique_values WHERE workspace = 1 AND type = 'User' AND attribute = 'userName' AND value >= 'a' AND value < 'b' UNION SELECT "key" FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'active' AND value = 'false') k LIMIT 1001) n
-- end
SELECT max(sequence) FROM changes WHERE workspace = 1
-- end
SELECT count(*), group_concat(document, ','), group_concat(id, ','), max(grouped) FROM (SELECT r.document, r.id, r.grouped FROM (SELECT s."key" AS "key" FROM (SELECT "key" FROM unique_values WHERE workspace = 1 AND type = 'User' AND attribute = 'userName' AND value >= 'a' AND value < 'b' UNION SELECT "key" FROM lookups WHERE workspace = 1 AND type = 'User' AND attribute = 'active' AND value = 'false') s ORDER BY s."key" LIMIT 100 OFFSET 0) k CROSS JOIN resources r ON r."key" = k."key" AND r.workspace = 1)
-- end
SELECT version FROM hierarchies WHERE workspace = 1
-- end
SELECT (SELECT group_concat(group_key) FROM members WHERE workspace = 1 AND member_key = j.value) FROM json_each('[3766665783301067982, 3766665783579820016]') j
-- end
SELECT id, display, grouped FROM resources WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
SELECT max(sequence) FROM changes WHERE workspace = 1
-- end
SELECT count(*), group_concat(document, ','), group_concat(id, ','), max(grouped) FROM (SELECT r.document, r.id, r.grouped FROM (SELECT l."key" AS "key" FROM lookups l WHERE l.workspace = 1 AND l.type = 'Group' AND l.attribute = 'displayName' AND l."first" ORDER BY l.value, l."key" LIMIT 1 OFFSET 0) k CROSS JOIN resources r ON r."key" = k."key" AND r.workspace = 1)
-- end
SELECT (SELECT total FROM counts WHERE workspace = 1 AND type = 'Group')
-- end
SELECT document FROM resources WHERE "key" = 3766665783332808821 AND workspace = 1
-- end
SELECT m.member_key, r.id, r.type, r.display
FROM members m JOIN resources r ON r."key" = m.member_key AND r.workspace = m.workspace
WHERE m.workspace = 1 AND m.group_key = 3766665783332808821 AND m.member_key > -1 ORDER BY m.member_key LIMIT 1000
-- end
INSERT INTO api_keys (workspace, id, name, digest, permissions, rate_limit, created, expires, revoked, last_used, role, user_id) VALUES (1, '4846926f939b34e1', 'further', x'34e5b1539d7d8dcdaf2dd96af09b816f2cf27c9c4da1dec7409e8a5aa946f3e4', '["Admin"]', NULL, '2026-12-01T00:50:08.224Z', NULL, NULL, NULL, NULL, NULL)
ON CONFLICT (workspace, id) DO UPDATE SET name = excluded.name, permissions = excluded.permissions,
    rate_limit = excluded.rate_limit, expires = excluded.expires, revoked = excluded.revoked, role = excluded.role
-- end
UPDATE installation SET epoch = epoch + 1 WHERE id = 1
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.224Z', 'key:836629c949e6c654', '4fb64813bb23-e', 'ApiKey', '4846926f939b34e1', 'create', 0, '{"name":"further","permissions":["Admin"],"role":null,"user":null,"expires":null}', NULL, '127.0.0.1', x'415d2a36c48141cd90fa0b6575755e945a350b5dd5646d9969484afa57773b26')
-- end
SELECT epoch FROM installation WHERE id = 1
-- end
SELECT workspace, id, name, digest, permissions, rate_limit, created, expires, revoked, last_used, role, user_id FROM api_keys WHERE workspace = 1 AND id = '836629c949e6c654'
-- end
SELECT id, name, contract, strict, created, settings FROM workspaces WHERE id = 1
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'schema' ORDER BY id
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'resource-type' ORDER BY id
-- end
SELECT id, name, contract, strict, created, settings FROM workspaces WHERE id = 1
-- end
SELECT id, name, contract, strict, created, settings FROM workspaces WHERE id = 1
-- end
UPDATE workspaces SET contract = 'rfc7644', strict = 0, settings = '{"rate_limit":500,"guard_mode":"hold"}' WHERE id = 1
-- end
UPDATE installation SET epoch = epoch + 1 WHERE id = 1
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.229Z', 'key:836629c949e6c654', '4fb64813bb23-f', 'Settings', 'default', 'update', 0, '{"before":{"rateLimit":null,"guardMode":"watch"},"after":{"rateLimit":500,"guardMode":"hold"}}', NULL, '127.0.0.1', x'13b781aa69bc44af571115e2ca5d58f60e13698ef3795ca53081447be6214359')
-- end
SELECT epoch FROM installation WHERE id = 1
-- end
SELECT workspace, id, name, digest, permissions, rate_limit, created, expires, revoked, last_used, role, user_id FROM api_keys WHERE workspace = 1 AND id = '836629c949e6c654'
-- end
SELECT id, name, contract, strict, created, settings FROM workspaces WHERE id = 1
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'schema' ORDER BY id
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'resource-type' ORDER BY id
-- end
SELECT coalesce(max(sequence), 0) FROM changes WHERE workspace = 1
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'webhook' ORDER BY id
-- end
INSERT INTO webhook_states (workspace, webhook, position, part, attempts, due, failing_since) VALUES (1, 'f84707aacd70cef9', 14, 0, 0, 0, NULL) ON CONFLICT (workspace, webhook) DO UPDATE SET position = excluded.position, part = 0, attempts = 0, due = 0, failing_since = NULL
-- end
INSERT INTO configuration (workspace, kind, id, body) VALUES (1, 'webhook', 'f84707aacd70cef9', '{"url":"https://hooks.example/muster","events":["*"],"description":"","created":"2026-12-01T00:50:08.240Z","edition":"6390c4e70aa44761","disabled":null}')
ON CONFLICT (workspace, kind, id) DO UPDATE SET body = excluded.body
-- end
UPDATE installation SET epoch = epoch + 1 WHERE id = 1
-- end
SELECT chain FROM changes WHERE workspace = 1 ORDER BY sequence DESC LIMIT 1
-- end
INSERT INTO changes (workspace, time, actor, request_id, type, id, action, version, document, members, address, chain) VALUES (1, '2026-12-01T00:50:08.240Z', 'key:836629c949e6c654', '4fb64813bb23-10', 'Webhook', 'f84707aacd70cef9', 'create', 0, '{"url":"https://hooks.example/muster","events":["*"],"disabled":null}', NULL, '127.0.0.1', x'8f1d90a57ec13f7c1f7174aa0af2550aab62ae77b1e10b59cb21c1c6f5909da3')
-- end
SELECT signing_secret FROM installation WHERE id = 1
-- end
SELECT epoch FROM installation WHERE id = 1
-- end
SELECT workspace, id, name, digest, permissions, rate_limit, created, expires, revoked, last_used, role, user_id FROM api_keys WHERE workspace = 1 AND id = '836629c949e6c654'
-- end
SELECT id, name, contract, strict, created, settings FROM workspaces WHERE id = 1
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'schema' ORDER BY id
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'resource-type' ORDER BY id
-- end
SELECT body FROM configuration WHERE workspace = 1 AND kind = 'trimmed' AND id = 'changes'
-- end
SELECT sequence, time, actor, request_id, type, id, action, version, document, members, address, chain, (SELECT b.document FROM changes b WHERE b.workspace = c.workspace AND b.id = c.id AND b.sequence < c.sequence AND b.version > 0 ORDER BY b.sequence DESC LIMIT 1) FROM changes c WHERE workspace = 1 AND sequence > 0 ORDER BY sequence LIMIT 100
-- end
SELECT signing_secret FROM installation WHERE id = 1
-- end
SELECT body FROM configuration WHERE workspace = 1 AND kind = 'trimmed' AND id = 'changes'
-- end
SELECT sequence, time, actor, request_id, type, id, action, version, document, members, address, chain, NULL FROM changes c WHERE workspace = 1 AND sequence > 0 ORDER BY sequence LIMIT 100
-- end
SELECT DISTINCT workspace FROM configuration WHERE kind = 'schema'
-- end
SELECT DISTINCT workspace FROM configuration WHERE kind = 'webhook'
-- end
SELECT id, name, contract, strict, created, settings FROM workspaces WHERE id = 1
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'webhook' ORDER BY id
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517312526464, '2026-12-01T00:50:08.008Z', '4fb64813bb23-2', '836629c949e6c654', 'createUser', 'POST', '/Users', '', 201, 20, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-9600-731b-ae6c-e7e1b45879d0', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"active":true,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"}}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.000Z","version":"W/\"1\"","location":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"}}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517312878209, '2026-12-01T00:50:08.013Z', '4fb64813bb23-3', '836629c949e6c654', 'createUser', 'POST', '/Users', '', 201, 3, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-960a-73aa-99c1-e2a0925d7e65', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":"user-1022-1@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"active":true,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"}}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-960a-73aa-99c1-e2a0925d7e65","userName":"user-1022-1@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.010Z","lastModified":"2026-12-01T00:50:08.010Z","version":"W/\"1\"","location":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65"}}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517313537538, '2026-12-01T00:50:08.024Z', '4fb64813bb23-4', '836629c949e6c654', 'createUser', 'POST', '/Users', '', 201, 5, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-9613-77ba-a299-fadb5a265fbe', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":"user-1022-2@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"emails":[{"value":"user-1022-2@example.com","type":"work","primary":true}],"active":true,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"}}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9613-77ba-a299-fadb5a265fbe","userName":"user-1022-2@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-2@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.019Z","lastModified":"2026-12-01T00:50:08.019Z","version":"W/\"1\"","location":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-9613-77ba-a299-fadb5a265fbe"}}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517314344451, '2026-12-01T00:50:08.036Z', '4fb64813bb23-5', '836629c949e6c654', 'createGroup', 'POST', '/Groups', '', 201, 11, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-9619-75d4-8eb9-36a73beb59b6', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Crew","members":[{"value":"01a22f14-9600-731b-ae6c-e7e1b45879d0"},{"value":"01a22f14-960a-73aa-99c1-e2a0925d7e65"}]}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"Crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025Z","lastModified":"2026-12-01T00:50:08.025Z","version":"W/\"1\"","location":"http://127.0.0.1:29716/scim/v2/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6"},"members":[{"value":"01a22f14-9600-731b-ae6c-e7e1b45879d0","$ref":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0","display":"user-1022-0@example.com","type":"User"},{"value":"01a22f14-960a-73aa-99c1-e2a0925d7e65","$ref":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65","display":"user-1022-1@example.com","type":"User"}]}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517321989700, '2026-12-01T00:50:08.156Z', '4fb64813bb23-6', '836629c949e6c654', 'createUser', 'POST', '/Users', '', 201, 14, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-968f-725f-be10-1d64ef11e314', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":"user-1022-3@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"emails":[{"value":"user-1022-3@example.com","type":"work","primary":true}],"active":false,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"}}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-968f-725f-be10-1d64ef11e314","userName":"user-1022-3@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":false,"emails":[{"value":"user-1022-3@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.143Z","lastModified":"2026-12-01T00:50:08.143Z","version":"W/\"1\"","location":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-968f-725f-be10-1d64ef11e314"}}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517322766277, '2026-12-01T00:50:08.168Z', '4fb64813bb23-7', '836629c949e6c654', 'patchUser', 'PATCH', '/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0', '', 200, 10, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-9600-731b-ae6c-e7e1b45879d0', '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"title","value":"Chief"}]}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"title":"Chief","active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.158Z","version":"W/\"2-a944cf52ceb1\"","location":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"},"groups":[{"value":"01a22f14-9619-75d4-8eb9-36a73beb59b6","$ref":"http://127.0.0.1:29716/scim/v2/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6","display":"Crew","type":"direct"}]}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517323526918, '2026-12-01T00:50:08.180Z', '4fb64813bb23-8', '836629c949e6c654', 'patchUser', 'PATCH', '/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65', '', 200, 9, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-960a-73aa-99c1-e2a0925d7e65', '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-960a-73aa-99c1-e2a0925d7e65","userName":"user-1022-1@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":false,"emails":[{"value":"user-1022-1@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.010Z","lastModified":"2026-12-01T00:50:08.170Z","version":"W/\"2-a944cf52ceb1\"","location":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65"},"groups":[{"value":"01a22f14-9619-75d4-8eb9-36a73beb59b6","$ref":"http://127.0.0.1:29716/scim/v2/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6","display":"Crew","type":"direct"}]}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517324298759, '2026-12-01T00:50:08.192Z', '4fb64813bb23-9', '836629c949e6c654', 'updateUser', 'PUT', '/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0', '', 200, 10, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-9600-731b-ae6c-e7e1b45879d0', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"active":true,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"}}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"id":"01a22f14-9600-731b-ae6c-e7e1b45879d0","userName":"user-1022-0@example.com","name":{"givenName":"Barbara","familyName":"Jensen"},"active":true,"emails":[{"value":"user-1022-0@example.com","type":"work","primary":true}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tours"},"meta":{"resourceType":"User","created":"2026-12-01T00:50:08.000Z","lastModified":"2026-12-01T00:50:08.181Z","version":"W/\"3-a944cf52ceb1\"","location":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0"},"groups":[{"value":"01a22f14-9619-75d4-8eb9-36a73beb59b6","$ref":"http://127.0.0.1:29716/scim/v2/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6","display":"Crew","type":"direct"}]}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517324850184, '2026-12-01T00:50:08.200Z', '4fb64813bb23-a', '836629c949e6c654', 'patchGroup', 'PATCH', '/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6', '', 200, 7, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-9619-75d4-8eb9-36a73beb59b6', '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"01a22f14-9613-77ba-a299-fadb5a265fbe"}]}]}', '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"01a22f14-9619-75d4-8eb9-36a73beb59b6","displayName":"Crew","meta":{"resourceType":"Group","created":"2026-12-01T00:50:08.025Z","lastModified":"2026-12-01T00:50:08.193Z","version":"W/\"2\"","location":"http://127.0.0.1:29716/scim/v2/Groups/01a22f14-9619-75d4-8eb9-36a73beb59b6"},"members":[{"value":"01a22f14-9600-731b-ae6c-e7e1b45879d0","$ref":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0","display":"user-1022-0@example.com","type":"User"},{"value":"01a22f14-960a-73aa-99c1-e2a0925d7e65","$ref":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-960a-73aa-99c1-e2a0925d7e65","display":"user-1022-1@example.com","type":"User"},{"value":"01a22f14-9613-77ba-a299-fadb5a265fbe","$ref":"http://127.0.0.1:29716/scim/v2/Users/01a22f14-9613-77ba-a299-fadb5a265fbe","display":"user-1022-2@example.com","type":"User"}]}') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517325319625, '2026-12-01T00:50:08.208Z', '4fb64813bb23-b', '836629c949e6c654', 'deleteUser', 'DELETE', '/Users/01a22f14-9613-77ba-a299-fadb5a265fbe', '', 204, 6, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-9613-77ba-a299-fadb5a265fbe', '', '') ON CONFLICT DO NOTHING
-- end
INSERT INTO requests (workspace, number, time, request_id, key_id, operation, method, path, query, status, milliseconds, address, agent, quirks, resource, body, answer) VALUES (1, 114949517328830346, '2026-12-01T00:50:08.262Z', '4fb64813bb23-13', '836629c949e6c654', 'getUser', 'GET', '/Users/01a22f14-9600-731b-ae6c-e7e1b45879d0x', '', 404, 0, '127.0.0.1', 'python-httpx/0.28.1', '', '01a22f14-9600-731b-ae6c-e7e1b45879d0x', '', '{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"no User has the id ''01a22f14-9600-731b-ae6c-e7e1b45879d0x''"}') ON CONFLICT DO NOTHING
-- end
INSERT INTO leases (workspace, name, owner, until) VALUES (1, 'webhook f84707aacd70cef9', 'a734999742c68645', 1796086268485) ON CONFLICT (workspace, name) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE leases.owner = excluded.owner OR leases.until < 1796086208485
-- end
SELECT owner FROM leases WHERE workspace = 1 AND name = 'webhook f84707aacd70cef9'
-- end
DELETE FROM requests WHERE workspace = 1 AND number <= (SELECT number FROM requests WHERE workspace = 1 ORDER BY number DESC LIMIT 1 OFFSET 10000)
-- end
DELETE FROM requests WHERE workspace = 1 AND number < 114910810143196800
-- end
SELECT position, part, attempts, due, failing_since FROM webhook_states WHERE workspace = 1 AND webhook = 'f84707aacd70cef9'
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'webhook' ORDER BY id
-- end
SELECT coalesce(max(sequence), 0) FROM changes WHERE workspace = 1
-- end
SELECT sequence, time, actor, request_id, type, id, action, version, document, members, address, chain, (SELECT b.document FROM changes b WHERE b.workspace = c.workspace AND b.id = c.id AND b.sequence < c.sequence AND b.version > 0 ORDER BY b.sequence DESC LIMIT 1) FROM changes c WHERE workspace = 1 AND sequence > 14 ORDER BY sequence LIMIT 50
-- end
UPDATE webhook_states SET position = 15, part = 0, attempts = 0, due = 0, failing_since = NULL WHERE workspace = 1 AND webhook = 'f84707aacd70cef9' AND position = 14 AND part = 0
-- end
SELECT position, part, attempts, due, failing_since FROM webhook_states WHERE workspace = 1 AND webhook = 'f84707aacd70cef9'
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'webhook' ORDER BY id
-- end
SELECT coalesce(max(sequence), 0) FROM changes WHERE workspace = 1
-- end
SELECT position, part, attempts, due, failing_since FROM webhook_states WHERE workspace = 1 AND webhook = 'f84707aacd70cef9'
-- end
SELECT id, body FROM configuration WHERE workspace = 1 AND kind = 'webhook' ORDER BY id
-- end
SELECT coalesce(max(sequence), 0) FROM changes WHERE workspace = 1
-- end
