-- When events died, by hour and error, latest first: is it over, or going on?
SELECT date_trunc('hour', dead_at, 'UTC') AS hour, error_class, count(*) AS events
FROM dead_letters
GROUP BY 1, 2
ORDER BY 1 DESC, events DESC;
