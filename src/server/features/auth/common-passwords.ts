/** The commonest passwords of eight characters and more; they are the first that anybody tries. */
export const commonPasswords: ReadonlySet<string> = new Set(
  `password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword 12345678
  123456789 1234567890 123456789a 0123456789 987654321 9876543210 11111111 00000000 88888888
  66666666 99999999 12341234 11223344 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qazxsw2 qwertyuiop qwerty123
  qwerty12 qwerty1234 qwertyui asdfghjkl asdfasdf zxcvbnm1 zxcvbnm123 abc12345 abcd1234 abcdefgh
  abcdefg1 a1b2c3d4 aa123456 iloveyou iloveyou1 sunshine sunshine1 princess princess1 football
  football1 baseball baseball1 superman superman1 batman123 trustno1 welcome1 welcome123 letmein1
  letmein123 admin123 admin1234 administrator changeme changeme1 changeme123 default1 computer
  internet starwars whatever michelle jennifer jonathan samantha liverpool chelsea1 barcelona
  mustang1 charlie1 dragon123 monkey123 shadow123 master123 hunter123 killer123 secret123 test1234
  testtest testing1 testing123 temp1234 guest123 user1234 root1234 login123 hello123 helloworld
  correcthorsebatterystaple`
    .split(/\s+/)
    .filter((word) => word !== ""),
);
