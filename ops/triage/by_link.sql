-- Whose links are affected, most first.
SELECT links.code, links.target, users.email AS owner,
       count(*) AS events, min(occurred_at) AS first_click, max(occurred_at) AS last_click
FROM dead_letters
LEFT JOIN links ON links.id = dead_letters.link_id
LEFT JOIN users ON users.id = links.owner_id
GROUP BY 1, 2, 3
ORDER BY events DESC, links.code;
